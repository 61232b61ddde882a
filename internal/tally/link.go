package tally

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
)

// Link passes connections on to a server and counts requests.
type Link struct {
	Addr string // where it listens

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int
	unread error // why some of what passed wasn't counted
	conns  map[net.Conn]bool
	ended  bool
}

// Listen makes a link from a free loopback port to target, a host:port.
func Listen(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tally: listen for the link to %s: %w", target, err)
	}
	l := &Link{Addr: listener.Addr().String(), target: target, listener: listener, counts: map[string]int{}, conns: map[net.Conn]bool{}}
	l.running.Go(l.accept)
	return l, nil
}

// Counts are the requests so far by what they ask for. The error is why there may
// have been others.
func (l *Link) Counts() (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts), l.unread
}

// Close ends the link and everything on it.
func (l *Link) Close() {
	l.listener.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.serve(client) })
	}
}

func (l *Link) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !l.keep(client, server) {
		return
	}
	defer l.drop(client, server)
	copied, copying := io.Pipe()
	l.running.Go(func() { l.read(copied) })
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(io.MultiWriter(server, copying), client)
		copying.Close()
		server.Close()
	})
	both.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	both.Wait()
}

func (l *Link) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.ended
}

func (l *Link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		delete(l.conns, c)
	}
}

// read counts what a client says, and goes on taking it if it can't be read.
func (l *Link) read(said io.Reader) {
	err := l.decode(bufio.NewReader(said))
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // a connection may end anywhere
		l.mu.Lock()
		l.unread = fmt.Errorf("tally: a connection to %s: %w", l.target, err)
		l.mu.Unlock()
	}
	io.Copy(io.Discard, said)
}

// decode counts until the connection can't be read on, and returns why.
func (l *Link) decode(said *bufio.Reader) error {
	begin, err := said.Peek(4)
	switch {
	case err != nil:
		return err
	case bytes.Equal(begin, []byte("PRI ")):
		return readHTTP2(said, l.count)
	case begin[0] >= 'A' && begin[0] <= 'Z':
		return readHTTP1(said, l.count)
	case begin[0] == 0: // of a length
		return readZooKeeper(said, l.count)
	}
	return fmt.Errorf("it begins with %q, which is nothing known", begin)
}

func (l *Link) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}
