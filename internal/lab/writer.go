package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/regent-ha/regent/clock"
)

// Table is where writers insert.
const Table = "lab_writes"

// writeTimeout is how long a client waits for an answer before it gives the
// connection up; what was sent may have been done or not.
const writeTimeout = time.Second

// Intervals between the starts of two writes.
const (
	clientInterval = 5 * time.Millisecond
	probeInterval  = 25 * time.Millisecond
)

// Write is one insert that was sent.
type Write struct {
	Writer   string // "client", or a node's name: the probe there
	ID       int64  // in the table, unique for its writer
	Node     string // where it was sent
	Timeline uint32 // of the acknowledgement; 0: there is none
	Sent     clock.Instant
	Replied  clock.Instant // of the answer, or of giving up
	Acked    bool
}

// Writer inserts rows until Stop, and keeps what became of each.
type Writer struct {
	name     string
	dsn      string
	interval time.Duration
	nodes    map[string]string // port -> node
	clock    clock.Clock

	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	writes   []Write
	refusals int   // refused since the server takes no writes
	last     error // of the last connection or write that failed
}

// CreateTable makes the writers' table on the leader.
func (l *Lab) CreateTable(ctx context.Context) error {
	leader, err := l.WaitLeader(ctx)
	if err != nil {
		return err
	}
	return leader.exec(ctx, "create table if not exists "+Table+" (writer text, id bigint, primary key (writer, id))")
}

// StartClient starts a writer as an application is one: every 5 ms a row, on
// whichever node takes writes.
func (l *Lab) StartClient() *Writer {
	return l.startWriter("client", l.WriterConnString(), clientInterval)
}

// StartProbes starts a writer for each node, past any routing and any link:
// every 25 ms it tries to insert a row there.
func (l *Lab) StartProbes() []*Writer {
	var probes []*Writer
	for _, n := range l.Nodes {
		probes = append(probes, l.startWriter(n.Name, l.ConnString(n.SQLAddr)+unlogged, probeInterval))
	}
	return probes
}

// unlogged: a standby would log each refused insert of a probe.
const unlogged = "&options=-c%20log_min_messages%3Dpanic"

func (l *Lab) startWriter(name, dsn string, interval time.Duration) *Writer {
	w := &Writer{name: name, dsn: dsn, interval: interval, nodes: map[string]string{}, clock: clock.System()}
	for _, n := range l.Nodes {
		w.nodes[port(n.SQLAddr)], w.nodes[port(n.ClientAddr())] = n.Name, n.Name
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.done.Go(func() { w.run(ctx) })
	return w
}

// Stop ends the writer and returns all its writes.
func (w *Writer) Stop() []Write {
	w.stop()
	w.done.Wait()
	return w.Writes()
}

// Writes are all writes that were answered or given up, in order.
func (w *Writer) Writes() []Write {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes[:len(w.writes):len(w.writes)]
}

// LastError is why the last connection or write failed that did.
func (w *Writer) LastError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *Writer) run(ctx context.Context) {
	var conn *pgx.Conn
	defer func() { abandon(conn) }()
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for id := int64(1); ctx.Err() == nil; id++ {
		if conn == nil {
			var err error
			if conn, err = w.connect(ctx); err != nil {
				w.failed(err)
			}
		}
		if conn != nil && !w.write(conn, id) {
			abandon(conn)
			conn = nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// insert answers with the timeline that the row is on.
const insert = "insert into " + Table + " values ($1, $2) returning ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int"

func (w *Writer) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*writeTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Prepare(ctx, "insert", insert); err != nil {
		abandon(conn)
		return nil, err
	}
	return conn, nil
}

// write sends one row. False: the connection is of no more use.
func (w *Writer) write(conn *pgx.Conn, id int64) bool {
	// Not ended by Stop: an answer that is on its way counts.
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	r := Write{Writer: w.name, ID: id, Node: w.nodes[port(conn.PgConn().Conn().RemoteAddr().String())]}
	var timeline int32
	r.Sent = w.clock.Now()
	err := conn.QueryRow(ctx, "insert", w.name, id).Scan(&timeline)
	r.Replied, r.Acked, r.Timeline = w.clock.Now(), err == nil, uint32(timeline)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.writes = append(w.writes, r)
		return true
	}
	if refused(err) {
		w.mu.Lock()
		w.refusals++
		w.mu.Unlock()
		return w.interval == probeInterval // a client looks for another server
	}
	w.failed(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, r)
	return false
}

// refused: the server is a standby or says otherwise that nothing was written
// (SQLSTATE 25006, read_only_sql_transaction).
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "25006"
}

func (w *Writer) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = fmt.Errorf("%s: %w", w.name, err)
}

// abandon closes a connection without a word to a server that may not listen.
func abandon(conn *pgx.Conn) {
	if conn != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		conn.Close(ctx)
	}
}
