// Package tcpproxy has a TCP link that can be cut, for tests and laboratories.
package tcpproxy

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Cutting is how a cut link looks to those who use it.
type Cutting int

const (
	// Hang lets connections stand and nothing through them, as a network does
	// that drops packets. What was sent meanwhile arrives after Heal.
	Hang Cutting = iota
	// Close ends connections and refuses new ones; what was on its way is lost.
	Close
)

// Proxy is a TCP link to a server that can be cut.
type Proxy struct {
	Addr string // where it listens

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // broadcast when any of the below changes
	links   map[*link]bool
	ended   bool
	hang    [2]bool // by direction: nothing passes
	close   [2]bool // by direction: whoever sends loses the connection
	delay   time.Duration
}

// Directions of a link.
const (
	requests = iota
	replies
)

// link is one connection through the proxy.
type link struct {
	ends   [2]net.Conn // the client's, the server's
	closed bool
}

// Listen makes a link from a free loopback port to target, a host:port. It is
// there until Close.
func Listen(target string) (*Proxy, error) { return ListenOn("127.0.0.1", target) }

// ListenOn is Listen on another address of the loopback network.
func ListenOn(host, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("tcpproxy: listen for the link to %s: %w", target, err)
	}
	p := &Proxy{Addr: listener.Addr().String(), target: target, listener: listener, links: map[*link]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	return p, nil
}

// Cut stops everything in both directions, on old connections and new ones.
func (p *Proxy) Cut(how Cutting) { p.set(func() { p.cut(how, requests); p.cut(how, replies) }) }

// CutBeforeReply lets what clients send through and nothing of what servers
// answer. With Close, the first byte of an answer ends its connection.
func (p *Proxy) CutBeforeReply(how Cutting) { p.set(func() { p.cut(how, replies) }) }

// Heal ends cuts and delays.
func (p *Proxy) Heal() {
	p.set(func() { p.hang, p.close, p.delay = [2]bool{}, [2]bool{}, 0 })
}

// Delay makes everything in both directions arrive later by d.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

func (p *Proxy) cut(how Cutting, direction int) {
	if how == Hang {
		p.hang[direction] = true
		return
	}
	p.close[direction] = true
	if direction == requests {
		for l := range p.links {
			p.drop(l)
		}
	}
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

// Close ends the link and everything on it.
func (p *Proxy) Close() {
	p.listener.Close()
	p.set(func() {
		p.ended = true
		for l := range p.links {
			p.drop(l)
		}
	})
	p.running.Wait()
}

// drop closes a link; mu is held.
func (p *Proxy) drop(l *link) {
	delete(p.links, l)
	l.closed = true
	for _, end := range l.ends {
		if tcp, ok := end.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		end.Close()
	}
	p.changed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.open() {
		client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		client.Close()
		return
	}
	l := &link{ends: [2]net.Conn{client, server}}
	p.mu.Lock()
	p.links[l] = true
	if p.ended || p.close[requests] {
		p.drop(l)
	}
	p.mu.Unlock()
	for _, direction := range []int{requests, replies} {
		chunks := make(chan chunk, 64)
		p.running.Go(func() { p.receive(l, direction, chunks) })
		p.running.Go(func() { p.deliver(l, direction, chunks) })
	}
}

// open waits until a new connection may reach the server. Whether the server is
// there can't be told through a link that lets nothing pass.
func (p *Proxy) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hang[requests] && !p.ended {
		p.changed.Wait()
	}
	return !p.ended
}

// chunk is what was read at once, and when it may arrive.
type chunk struct {
	bytes []byte
	due   time.Time
}

// receive takes in one direction of a link until that ends.
func (p *Proxy) receive(l *link, direction int, chunks chan<- chunk) {
	defer close(chunks)
	for {
		buf := make([]byte, 32<<10)
		n, err := l.ends[direction].Read(buf)
		if n > 0 {
			p.mu.Lock()
			due := time.Now().Add(p.delay)
			p.mu.Unlock()
			chunks <- chunk{buf[:n], due}
		}
		if err != nil {
			return
		}
	}
}

// deliver passes on what receive takes in, and closes the link at its end.
func (p *Proxy) deliver(l *link, direction int, chunks <-chan chunk) {
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		if p.pass(l, direction) {
			if _, err := l.ends[1-direction].Write(c.bytes); err == nil {
				continue
			}
		}
		break
	}
	p.set(func() { p.drop(l) })
	for range chunks { // until receive has ended as well
	}
}

// pass waits until bytes may go on; false: their link is closed.
func (p *Proxy) pass(l *link, direction int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hang[direction] && !l.closed {
		p.changed.Wait()
	}
	if p.close[direction] && !l.closed {
		p.drop(l)
	}
	return !l.closed
}
