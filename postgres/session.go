package postgres

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// heartbeatParameters are those of the connection that is kept for Status.
func heartbeatParameters() map[string]string {
	return map[string]string{
		"application_name":         "Patroni heartbeat",
		"statement_timeout":        "2000",
		"search_path":              "pg_catalog",
		"pg_stat_statements.track": "none",
	}
}

// session is the connection to the running server that is kept from one query
// to the next. One query uses it at a time.
type session struct {
	busy  chan struct{} // holds one token while somebody uses conn
	conn  *pgx.Conn
	of    *postmaster // that conn leads to
	wires wires
}

// query runs f on the kept connection, which it opens first where there is none.
// It is given up with an error that broke it.
func (s *Server) query(ctx context.Context, pm *postmaster, f func(*pgx.Conn) error) error {
	return s.queryOn(ctx, &s.session, pm, f)
}

// queryOn runs f on one of the kept connections. Status has its own: what somebody else
// waits for doesn't hold it up.
func (s *Server) queryOn(ctx context.Context, k *session, pm *postmaster, f func(*pgx.Conn) error) error {
	select {
	case k.busy <- struct{}{}:
		defer func() { <-k.busy }()
	case <-ctx.Done():
		return fmt.Errorf("another query is still under way: %w", context.Cause(ctx))
	}
	if c := k.conn; c != nil && (c.IsClosed() || k.of != pm) {
		k.drop()
	}
	if k.conn == nil {
		conn, err := s.connect(ctx, heartbeatParameters())
		if err != nil {
			return err
		}
		k.conn, k.of = conn, pm
		s.answered(pm, "")
	}
	err := f(k.conn)
	if k.conn.IsClosed() {
		k.drop()
	}
	return err
}

// drop gives the connection up without waiting for the server.
func (k *session) drop() {
	if k.conn != nil {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = k.conn.Close(done)
		k.conn, k.of = nil, nil
	}
}

// closeSession gives the kept connections up.
func (s *Server) closeSession(ctx context.Context) { s.closeSessions(ctx, time.Minute) }

// closeSessions gives the kept connections up, so that a server that is asked to stop
// doesn't find them. One that is in use for longer than patience (0: a moment) stays, and
// the server ends it.
func (s *Server) closeSessions(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(patience, sessionPatience))
	defer cancel()
	for _, k := range []*session{&s.session, &s.errands} {
		select {
		case k.busy <- struct{}{}:
			k.drop()
			<-k.busy
		case <-ctx.Done():
		}
	}
}

// sessionPatience is for what a query takes that isn't held up.
const sessionPatience = 500 * time.Millisecond

// connect opens a connection to the running server as superuser. Another server
// may have our port: its backend doesn't work in our directory.
func (s *Server) connect(ctx context.Context, parameters map[string]string) (*pgx.Conn, error) {
	settings := s.Settings()
	host, port, err := s.address(settings)
	if err != nil {
		return nil, err
	}
	config, err := settings.connConfig(settings.Superuser, host, port, parameters)
	if err != nil {
		return nil, err
	}
	config.DialFunc = s.session.wires.dial
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	dir, err := inodeOf(s.opts.DataDir)
	if err == nil && !isServer(int(conn.PgConn().PID()), dir, s.serverNames()) {
		err = fmt.Errorf("another server than the one in %s answers at %s port %d", s.opts.DataDir, host, port)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// address is where the running server listens, by its own lock file and command
// line: its port and addresses may be other ones than those configured since its
// start.
func (s *Server) address(settings Settings) (host string, port int, err error) {
	host, port, err = settings.localAddress(settings.UseUnixSocket)
	if err != nil {
		return "", 0, err
	}
	pm := s.known()
	lock, err := s.readPidFile()
	if pm != nil {
		lock = lock.of(pm)
	}
	if err != nil || lock.port == 0 {
		return host, port, nil //nolint:nilerr // the configured ones are as good a guess
	}
	tcp, _, err := settings.localAddress(false)
	if err != nil {
		return "", 0, err
	}
	if pm != nil {
		for _, arg := range arguments(pm.pid) {
			if addresses, ok := strings.CutPrefix(arg, "--listen_addresses="); ok {
				tcp = nearest(addresses)
			}
		}
	}
	if lock.socketDir != "" && (settings.UseUnixSocket || lock.listen == "") {
		return lock.socketDir, lock.port, nil
	}
	return tcp, lock.port, nil
}

// wires are the sockets of all connections under way. pgx closes a broken one
// in the background, which may take long where nobody answers: closing the
// sockets ends that.
type wires struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func (w *wires) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	if w.open == nil {
		w.open = make(map[net.Conn]struct{})
	}
	wire := &wire{Conn: c, of: w}
	w.open[wire] = struct{}{}
	return wire, nil
}

func (w *wires) closeAll() {
	w.mu.Lock()
	w.closed = true
	open := w.open
	w.open = nil
	w.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

type wire struct {
	net.Conn
	of *wires
}

func (c *wire) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// oneLine is an error without the line breaks of pgx's.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
