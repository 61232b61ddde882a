package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"
)

// checkTimeout is after how long a health check counts as failed, as load
// balancers are often set.
const checkTimeout = time.Second

// measureChecks sends GET /primary to the leader's agent as fast as one core can.
func (t *trial) measureChecks(ctx context.Context, d time.Duration) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, kind := range []struct {
		name    string
		clients int
		keep    bool
	}{
		{"1 client, kept alive", 1, true},
		{"8 clients, kept alive", 8, true},
		{"8 clients, a new connection each", 8, false},
	} {
		if err := t.measureCheck(ctx, kind.name, kind.clients, kind.keep, d); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) measureCheck(ctx context.Context, name string, clients int, keep bool, d time.Duration) error {
	before, err := cpuTime(t.leader.AgentPID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	began := time.Now()
	var (
		group   sync.WaitGroup
		results = make([]checks, clients)
	)
	for i := range results {
		group.Go(func() { results[i] = ask(ctx, t.leader.APIAddr, keep) })
	}
	group.Wait()
	took := time.Since(began)
	used, err := cpuTime(t.leader.AgentPID())
	if err != nil {
		return err
	}
	var all checks
	for _, r := range results {
		all.took = append(all.took, r.took...)
		all.failed += r.failed
	}
	if len(all.took) == 0 {
		return fmt.Errorf("bench: health checks, %s: none of %d was answered", name, all.failed)
	}
	slices.Sort(all.took)
	name = "GET /primary, " + name
	t.sheet.add(t.system.Name, name+": a second", value{number: float64(len(all.took)) / took.Seconds(), high: true})
	t.sheet.add(t.system.Name, name+": p99", milliseconds(all.took[len(all.took)*99/100]))
	t.sheet.add(t.system.Name, name+": agent's CPU each", milliseconds((used-before)/time.Duration(len(all.took))))
	t.sheet.add(t.system.Name, name+": failed", amount(float64(all.failed)))
	return nil
}

func milliseconds(d time.Duration) value { return value{number: d.Seconds() * 1000, unit: "ms"} }

// checks are what one client saw.
type checks struct {
	took   []time.Duration // of those that were answered with 200
	failed int
}

// ask sends one request after the other until ctx ends, as plainly as it can:
// what is measured is the other side.
func ask(ctx context.Context, addr string, keep bool) (c checks) {
	var conn *checkConn
	defer func() { conn.close() }()
	for ctx.Err() == nil {
		began := time.Now()
		if conn == nil {
			var err error
			if conn, err = dialCheck(addr, keep); err != nil {
				c.failed++
				conn = nil
				continue
			}
		}
		again, err := conn.ask()
		if err != nil {
			c.failed++
		} else {
			c.took = append(c.took, time.Since(began))
		}
		if err != nil || !again || !keep {
			conn.close()
			conn = nil
		}
	}
	return c
}

// checkConn is one connection to a REST API.
type checkConn struct {
	net.Conn
	in      *bufio.Reader
	request []byte
}

func dialCheck(addr string, keep bool) (*checkConn, error) {
	conn, err := net.DialTimeout("tcp", addr, checkTimeout)
	if err != nil {
		return nil, err
	}
	header := ""
	if !keep {
		header = "Connection: close\r\n"
	}
	request := "GET /primary HTTP/1.1\r\nHost: " + addr + "\r\n" + header + "\r\n"
	return &checkConn{conn, bufio.NewReaderSize(conn, 4096), []byte(request)}, nil
}

// ask says whether the connection can be used again.
func (c *checkConn) ask() (again bool, err error) {
	if err := c.SetDeadline(time.Now().Add(checkTimeout)); err != nil {
		return false, err
	}
	if _, err := c.Write(c.request); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %s", answer.Status)
	}
	return !answer.Close, nil
}

func (c *checkConn) close() {
	if c != nil {
		c.Close()
	}
}
