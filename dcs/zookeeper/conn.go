package zookeeper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
)

const (
	// largestAnswer bounds what is read at once; servers take requests of 1 MiB.
	largestAnswer = 16 << 20
	// largestGreeting bounds the answer to the first message, which tells a
	// ZooKeeper from whatever else listens on a port.
	largestGreeting = 256
)

// conn is one TCP connection, attached to a session. Nothing is sent over it but
// what is asked for.
type conn struct {
	net    net.Conn
	server string

	session session
	since   clock.Instant // read before the request to attach was sent
	granted time.Duration // the session's timeout, as this connection extends it

	quiet   string       // path of a node whose changes no watch tells
	silence *dcs.Silence // of the watch; nil where there is none
	clock   clock.Clock  // where there is a watch
	writing turn.Lock

	mu        sync.Mutex
	xid       int32
	waiting   map[int32]chan<- reply
	heard     bool                   // anything, since it was last looked at
	asked     clock.Instant          // when the last ping was sent
	listening map[chan struct{}]bool // hear of watched changes
	err       error
	done      chan struct{} // closed with err set
}

type reply struct {
	code code
	body *answer
}

// greet attaches the connection to a session, a new one if its id is 0.
func (c *conn) greet(ctx context.Context, s session, clk clock.Clock) error {
	stop := context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	hello := message{}.int32(0).int64(0).int32(int32(s.asked / time.Millisecond)).int64(s.id).bytes(s.password[:]).bool(false)
	c.since = clk.Now()
	if err := c.write(ctx, hello); err != nil {
		return err
	}
	frame, err := readFrame(c.net, largestGreeting)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errors.New("it closed the connection at once: it serves nobody now, takes no more connections from here, or expects TLS")
	}
	if err != nil {
		return plain(err)
	}
	a := &answer{rest: frame}
	a.int32() // protocol version
	timeout, id, password := a.int32(), a.int64(), a.bytes()
	switch {
	case a.err != nil:
		return a.err
	case id == 0:
		return codeSessionExpired
	case s.id != 0 && id != s.id || len(password) != len(s.password):
		return errGarbage
	case timeout <= 0:
		return errors.New("it doesn't say how long the session lasts")
	}
	c.session = session{id: id, asked: s.asked, password: [16]byte(password)}
	c.granted = time.Duration(timeout) * time.Millisecond
	return nil
}

// write sends a frame. A connection on which that fails has ended: half of the
// frame may be on its way.
func (c *conn) write(ctx context.Context, m message) error {
	if err := c.writing.Take(ctx); err != nil {
		return err
	}
	defer c.writing.Give()
	stop := context.AfterFunc(ctx, func() { c.net.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := c.net.Write(append(message{}.int32(int32(len(m))), m...))
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s: send: %w", c.server, plain(err))
		c.close(err)
	}
	return err
}

func readFrame(r io.Reader, largest uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > largest {
		return nil, errGarbage
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(r, frame)
	return frame, err
}

var (
	errClosed   = errors.New("the handle is closed")
	errReplaced = errors.New("another connection has taken over")
)

// close ends the connection, and not its session.
func (c *conn) close(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	close(c.done)
	c.net.Close()
}

// receive takes answers in until the connection ends.
func (c *conn) receive() {
	for {
		frame, err := readFrame(c.net, largestAnswer)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the server closed the connection")
			}
			c.close(fmt.Errorf("%s: %w", c.server, plain(err)))
			return
		}
		a := &answer{rest: frame}
		xid, _, result := a.int32(), a.int64(), code(a.int32())
		if a.err != nil {
			c.close(a.err)
			return
		}
		c.mu.Lock()
		c.heard = true
		waiting := c.waiting[xid]
		delete(c.waiting, xid)
		c.mu.Unlock()
		switch {
		case waiting != nil:
			waiting <- reply{result, a}
		case xid == xidEvent:
			c.fired(a)
		case xid == xidPing:
			c.answered()
		}
	}
}

// Numbers of requests that aren't counted (ClientCnxn).
const (
	xidEvent = -1
	xidPing  = -2
	xidAuth  = -4
)

// pending is a request that was sent.
type pending struct {
	conn  *conn
	xid   int32
	reply chan reply
	err   error
}

// send asks without waiting for the answer: answers come in the order of requests.
func (c *conn) send(ctx context.Context, op int32, body message) pending {
	p := pending{conn: c, reply: make(chan reply, 1)}
	c.mu.Lock()
	switch {
	case c.err != nil:
		p.err = c.err
	case op == opAuth:
		p.xid = xidAuth
	default:
		c.xid++
		p.xid = c.xid
	}
	if p.err == nil {
		c.waiting[p.xid] = p.reply
	}
	c.mu.Unlock()
	if p.err != nil {
		return p
	}
	p.err = c.write(ctx, append(message{}.int32(p.xid).int32(op), body...))
	return p
}

// wait returns the answer. A code other than 0 is its error.
func (p pending) wait(ctx context.Context) (*answer, error) {
	if p.err != nil {
		return nil, p.err
	}
	select {
	case r := <-p.reply:
		return r.result()
	default:
	}
	select {
	case r := <-p.reply:
		return r.result()
	case <-p.conn.done:
		select {
		case r := <-p.reply:
			return r.result()
		default:
			return nil, p.conn.err
		}
	case <-ctx.Done():
		p.conn.mu.Lock()
		delete(p.conn.waiting, p.xid)
		p.conn.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}

func (r reply) result() (*answer, error) {
	if r.code != 0 {
		return nil, r.code
	}
	return r.body, nil
}

// ask sends and waits.
func (c *conn) ask(ctx context.Context, op int32, body message) (*answer, error) {
	return c.send(ctx, op, body).wait(ctx)
}

// multi makes all changes or none; refusedChange says which one couldn't be made.
// The nodes that were set come by the index of their change.
func (c *conn) multi(ctx context.Context, changes ...change) (map[int]stat, error) {
	a, err := c.ask(ctx, opMulti, multi(changes))
	if err != nil {
		return nil, err
	}
	return multiAnswer(a, changes)
}

// answered takes note that a ping was. Its answer comes behind the events of every
// change that the server knew of when it was asked.
func (c *conn) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silence != nil {
		c.silence.Proven(c.asked)
	}
}

// ping extends the session, and notices a server that is silent.
func (c *conn) ping(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		c.mu.Lock()
		c.heard, c.asked = false, c.clock.Now()
		c.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), every)
		err := c.write(ctx, message{}.int32(xidPing).int32(opPing))
		cancel()
		if err != nil {
			c.close(err)
			return
		}
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		heard := c.heard
		c.mu.Unlock()
		if !heard {
			c.close(fmt.Errorf("%s: %w", c.server, errSilent))
			return
		}
	}
}

var errSilent = errors.New("the server is silent")

// ended says that the connection is of no use any more.
func (c *conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
