package rest

import (
	"net"
	"net/http"
	"sync"
)

// room bounds the number of connections. At the limit the one that has been
// without a request for the longest makes room for a new one, so that clients
// that say nothing keep nobody out.
type room struct {
	limit int

	mu      sync.Mutex
	open    int
	waiting []net.Conn // new and idle ones, the longest waiting first
}

// changed is http.Server's ConnState.
func (r *room) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if victim := r.enter(c); victim != nil {
			_ = victim.Close()
		}
	case http.StateActive:
		r.leave(c, 0)
	case http.StateIdle:
		r.mu.Lock()
		r.waiting = append(r.waiting, c)
		r.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		r.leave(c, 1)
	}
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

// leave takes c from those that wait, and counts it as closed or not.
func (r *room) leave(c net.Conn, closed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open -= closed
	for i, w := range r.waiting {
		if w == c {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			return
		}
	}
}
