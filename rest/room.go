package rest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// room bounds the number of connections. At the limit the one that has been
// without a whole request for the longest makes room for a new one, so that
// clients that say nothing, or never come to an end, keep nobody out.
type room struct {
	limit int

	mu      sync.Mutex
	open    int
	waiting []net.Conn // those that we owe nothing, the longest waiting first
}

type connKey struct{}

// remember is http.Server's ConnContext.
func (r *room) remember(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// changed is http.Server's ConnState.
func (r *room) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if victim := r.enter(c); victim != nil {
			cut(victim)
		}
	case http.StateIdle:
		r.mu.Lock()
		r.waiting = append(r.waiting, c)
		r.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		r.mu.Lock()
		r.open--
		r.forget(c)
		r.mu.Unlock()
	}
}

// working says that the request in ctx is there as a whole.
func (r *room) working(ctx context.Context) {
	c, _ := ctx.Value(connKey{}).(net.Conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(c)
}

// enter counts a new connection and returns the one to close for it, which is
// itself if all others are at work.
func (r *room) enter(c net.Conn) (victim net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	r.waiting = append(r.waiting, c)
	if r.open <= r.limit {
		return nil
	}
	victim = r.waiting[0]
	r.waiting = r.waiting[1:]
	return victim
}

func (r *room) forget(c net.Conn) {
	if i := slices.Index(r.waiting, c); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
}

// count is how many connections are open.
func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// cut closes a connection without a word: one of TLS would wait for its client.
func cut(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}
