package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// Options are what a Server is made of.
type Options struct {
	Name string // the member; required
	Host string // others reach it by; empty: Name
	Port int    // 0: 5432
	// Clock is the host's own, for Status and NotAfter, and for waiting inside
	// calls; nil: the network's.
	Clock clock.Clock
	// RowSize is how many bytes of WAL a row takes; 0: 256.
	RowSize int
	Speed   Speed
}

// Speed is how long things take. A zero field has its default.
type Speed struct {
	Start     time.Duration // of a server that was shut down, and of a standby: 60 ms
	Recovery  time.Duration // crash recovery, on top: 200 ms
	Stop      time.Duration // a fast shutdown without standbys to wait for: 40 ms
	Promotion time.Duration // with nothing left to replay: 30 ms
	Copy      time.Duration // initdb and base backup: 2 s
	Rewind    time.Duration // pg_rewind: 500 ms
	Latency   time.Duration // of WAL from one host to another: 2 ms
	// Retry is wal_retrieve_retry_interval: 5 s.
	Retry time.Duration
	// Timeout is wal_receiver_timeout and wal_sender_timeout: 60 s.
	Timeout time.Duration
}

func (s Speed) withDefaults() Speed {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&s.Start, 60 * time.Millisecond}, {&s.Recovery, 200 * time.Millisecond}, {&s.Stop, 40 * time.Millisecond},
		{&s.Promotion, 30 * time.Millisecond}, {&s.Copy, 2 * time.Second}, {&s.Rewind, 500 * time.Millisecond},
		{&s.Latency, 2 * time.Millisecond}, {&s.Retry, 5 * time.Second}, {&s.Timeout, time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return s
}

// Server is one fake PostgreSQL. All methods may be called at the same time from
// several goroutines.
type Server struct {
	net      *Network
	opts     Options
	speed    Speed
	clock    clock.Clock
	launcher postgres.Launcher
	settings postgres.Settings
	exited   chan struct{}

	// The host, guarded by net.mu.
	disk        disk
	pm          *postmaster // nil: none runs
	down        bool        // the host is off
	frozen      bool
	held        []event // what became due while it was frozen
	replayDelay time.Duration
	lastWords   string
}

// disk is what a crash of the host leaves.
type disk struct {
	data         postgres.DataState
	systemID     string
	state        string // of the control file
	head         *record
	applied      *record // up to where a standby has replayed
	checkpoint   *record
	standby      bool              // standby.signal
	backup       bool              // backup_label: a copy that was not started yet
	newest       postgres.Timeline // the highest whose history file is there
	upstream     postgres.Upstream // primary_conninfo and primary_slot_name
	slots        map[string]postgres.LSN
	full         bool
	keptAside    []disk // what SetAside renamed
	incompleteOf string // what left it incomplete
}

// NewServer adds a server with an empty data directory.
func (n *Network) NewServer(o Options) (*Server, error) {
	if o.Name == "" {
		return nil, errors.New("postgrestest: Options.Name is empty: it must name the member")
	}
	if o.Host == "" {
		o.Host = o.Name
	}
	if o.Port == 0 {
		o.Port = 5432
	}
	if o.RowSize == 0 {
		o.RowSize = 256
	}
	s := &Server{
		net: n, opts: o, speed: o.Speed.withDefaults(), clock: o.Clock,
		exited: make(chan struct{}, 1), disk: disk{data: postgres.DataEmpty},
	}
	if s.clock == nil {
		s.clock = n.clock
	}
	s.launcher = forker{s}
	n.lock()
	defer n.mu.Unlock()
	if other := n.find(o.Host, o.Port); other != nil {
		return nil, fmt.Errorf("postgrestest: %s:%d is %s's already", o.Host, o.Port, other.opts.Name)
	}
	n.servers = append(n.servers, s)
	return s, nil
}

// SetLauncher says who starts postmasters from now on; they call Fork.
func (s *Server) SetLauncher(l postgres.Launcher) {
	s.net.lock()
	defer s.net.mu.Unlock()
	s.launcher = l
}

// forker is the default Launcher.
type forker struct{ s *Server }

func (f forker) Launch(ctx context.Context, c postgres.Command) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if now := f.s.clock.Now(); c.Writable && now.After(c.Permit.NotAfter) {
		return 0, postgres.ErrNotPermitted
	}
	return f.s.Fork(c)
}

// Exited gets a hint each time the postmaster has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Configure is accepted: a fake has nothing to configure, and keeps it for Settings.
func (s *Server) Configure(settings postgres.Settings) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.settings = settings
	return nil
}

// Settings are those of the last Configure.
func (s *Server) Settings() postgres.Settings {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.settings
}

// Row is a row that was written.
type Row struct {
	Text string
	rec  *record
}

// End is where its WAL ends.
func (r Row) End() uint64 {
	if r.rec == nil {
		return 0
	}
	return uint64(r.rec.end)
}

// Write commits a row, as a client on the server's own host does. It returns
// whether the server acknowledged it. Without an acknowledgement the row may be
// there or not.
func (s *Server) Write(text string) (Row, bool) {
	s.net.lock()
	defer s.net.mu.Unlock()
	if !s.writable() {
		return Row{}, false
	}
	if s.disk.full {
		s.exit("PANIC: could not write to the WAL: No space left on device")
		return Row{}, false
	}
	s.disk.head = s.disk.head.add(row, text, postgres.LSN(s.opts.RowSize))
	s.disk.applied = s.disk.head
	s.ship()
	return Row{Text: text, rec: s.disk.head}, true
}

// Writable says whether clients can write at this moment: the server runs, out
// of recovery, and its host isn't frozen. One whose postmaster hangs is
// writable: sessions that it had go on.
func (s *Server) Writable() bool {
	s.net.lock()
	defer s.net.mu.Unlock()
	return s.writable()
}

func (s *Server) writable() bool {
	return s.pm != nil && s.pm.phase == running && !s.pm.recovery && !s.frozen
}

// Has says whether the WAL on the server's disk has a row.
func (s *Server) Has(r Row) bool {
	s.net.lock()
	defer s.net.mu.Unlock()
	return s.disk.head != nil && s.disk.head.has(r.rec)
}
