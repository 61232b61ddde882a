package testenv

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// echo is a server that answers each line with itself and reports what it got.
func echo(tb testing.TB) (addr string, got chan string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { listener.Close() })
	got = make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					got <- lines.Text()
					io.WriteString(conn, lines.Text()+"\n")
				}
			}()
		}
	}()
	return listener.Addr().String(), got
}

func dial(tb testing.TB, addr string) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a line and returns the answer, or why there was none in time.
func ask(conn net.Conn, line string, within time.Duration) (string, error) {
	io.WriteString(conn, line+"\n")
	return answer(conn, within)
}

func answer(conn net.Conn, within time.Duration) (string, error) {
	conn.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func TestProxy(t *testing.T) {
	const soon, long = 50 * time.Millisecond, 10 * time.Second
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("passes", func(t *testing.T) {
		addr, _ := echo(t)
		conn := dial(t, NewProxy(t, addr).Addr)
		if got, err := ask(conn, "one", long); got != "one\n" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("hangs and delivers later", func(t *testing.T) {
		addr, got := echo(t)
		p := NewProxy(t, addr)
		conn := dial(t, p.Addr)
		p.Cut(Hang)
		if _, err := ask(conn, "one", soon); !isTimeout(err) {
			t.Errorf("got %v instead of a timeout", err)
		}
		if len(got) > 0 {
			t.Error("the request arrived")
		}
		p.Heal()
		if got, err := answer(conn, long); got != "one\n" {
			t.Errorf("after Heal: got %q, %v", got, err)
		}
	})
	t.Run("closes and refuses", func(t *testing.T) {
		addr, got := echo(t)
		p := NewProxy(t, addr)
		conn := dial(t, p.Addr)
		p.Cut(Close)
		_, err := ask(conn, "one", long)
		if err == nil || isTimeout(err) {
			t.Errorf("got %v instead of a closed connection", err)
		}
		// A new connection is reset at once, perhaps before it is there for us.
		fresh, err := net.DialTimeout("tcp", p.Addr, long)
		if err == nil {
			defer fresh.Close()
			_, err = ask(fresh, "one", long)
		}
		if err == nil || isTimeout(err) {
			t.Errorf("got %v instead of a closed connection", err)
		}
		p.Heal()
		if got, err := ask(dial(t, p.Addr), "two", long); got != "two\n" {
			t.Errorf("after Heal: got %q, %v", got, err)
		}
		if len(got) != 1 {
			t.Errorf("%d requests arrived", len(got))
		}
	})
	for how, name := range map[Cutting]string{Hang: "hangs before the reply", Close: "closes before the reply"} {
		t.Run(name, func(t *testing.T) {
			addr, got := echo(t)
			p := NewProxy(t, addr)
			conn := dial(t, p.Addr)
			p.CutBeforeReply(how)
			_, err := ask(conn, "one", map[Cutting]time.Duration{Hang: soon, Close: long}[how])
			if err == nil || isTimeout(err) != (how == Hang) {
				t.Errorf("got %v", err)
			}
			select {
			case <-got:
			case <-time.After(long):
				t.Error("the request didn't arrive")
			}
		})
	}
	t.Run("delays", func(t *testing.T) {
		addr, _ := echo(t)
		p := NewProxy(t, addr)
		conn := dial(t, p.Addr)
		p.Delay(30 * time.Millisecond)
		start := time.Now()
		if _, err := ask(conn, "one", long); err != nil || time.Since(start) < 60*time.Millisecond {
			t.Errorf("answered after %v, %v", time.Since(start), err)
		}
	})
}
