package postgres

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Server manages the PostgreSQL in one data directory. Its methods may be called
// from several goroutines, but those that change what the directory holds or
// what runs on it exclude one another by the caller's care: an agent has one job.
type Server struct {
	opts  Options
	log   *slog.Logger
	clock clock.Clock

	control *controlFile

	mu       sync.Mutex // guards what follows
	settings Settings
	upstream *Upstream // that of the configuration file; nil: not known yet
	warned   map[string]bool

	knowledgeMu sync.Mutex // guards knowledge
	knowledge   *knowledge

	findMu sync.Mutex // held while a postmaster is looked for or launched
	pmMu   sync.Mutex // guards pm, what is in it, and launch
	pm     *postmaster
	launch launchRecord
	exited chan struct{}

	session   session    // of Status
	errands   session    // of all others
	answersMu sync.Mutex // guards answers
	answers   answers

	lookMu  sync.Mutex // guards looking
	looking *flight
	looks   sync.WaitGroup

	callbacks       callbacks
	reloadCallbacks callbacks
	calls           sync.WaitGroup // of callbacks
	callbackLife    context.Context
	endCallbacks    context.CancelFunc

	life     context.Context // ends with Close
	end      context.CancelFunc
	watchers sync.WaitGroup
}

// New returns a Server for one data directory. It doesn't touch the directory
// nor look for a running server yet. The error names the field that is wrong.
func New(o Options, s Settings) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	srv := &Server{opts: o, log: o.Logger, clock: o.Clock, exited: make(chan struct{}, 1)}
	if err := srv.Configure(s); err != nil {
		return nil, err
	}
	srv.control = &controlFile{program: srv.program("pg_controldata"), dataDir: o.DataDir}
	srv.session.busy, srv.errands.busy = make(chan struct{}, 1), make(chan struct{}, 1)
	srv.life, srv.end = context.WithCancel(context.Background())
	srv.callbackLife, srv.endCallbacks = context.WithCancel(context.Background())
	return srv, nil
}

// Close gives up what the Server holds: connections and the watch over the
// postmaster. Callbacks get a moment to end. It doesn't stop the postmaster,
// which a new Server adopts. Other calls must have ended.
func (s *Server) Close() {
	patience := time.AfterFunc(callbackPatience, s.endCallbacks)
	s.calls.Wait()
	patience.Stop()
	s.endCallbacks()
	s.end()
	s.session.wires.closeAll()
	s.closeSession(context.Background())
	s.pmMu.Lock()
	if s.pm != nil {
		s.pm.close()
	}
	s.pmMu.Unlock()
	s.watchers.Wait()
	looked := make(chan struct{})
	go func() { s.looks.Wait(); close(looked) }()
	waitUpTo(context.Background(), looked, hungDiskPatience)
}

// hungDiskPatience is how long Close waits for a look at a disk that hangs.
const hungDiskPatience = time.Second

// Configure sets what the next start, clone or Reload uses.
func (s *Server) Configure(settings Settings) error {
	if err := settings.validate(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	settings.Parameters = maps.Clone(settings.Parameters)
	settings.RecoveryConf = maps.Clone(settings.RecoveryConf)
	settings.Callbacks = maps.Clone(settings.Callbacks)
	settings.HBA = slices.Clone(settings.HBA)
	settings.Ident = slices.Clone(settings.Ident)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	return nil
}

// Settings are those of the last Configure. Their maps and slices are not to be
// changed.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// readControl reads the control file.
func (s *Server) readControl(ctx context.Context) (*Control, error) { return s.control.read(ctx) }

// program is the path of one of PostgreSQL's programs, by its usual name.
func (s *Server) program(name string) string {
	if other := s.opts.BinNames[name]; other != "" {
		name = other
	}
	return filepath.Join(s.opts.BinDir, name)
}

// configDir is where PostgreSQL's configuration files lie.
func (s *Server) configDir() string {
	if s.opts.ConfigDir != "" {
		return s.opts.ConfigDir
	}
	return s.opts.DataDir
}

func (o Options) complete() (Options, error) {
	if o.Name == "" {
		return o, fmt.Errorf("Options.Name is empty: it must name the member")
	}
	if !filepath.IsAbs(o.DataDir) {
		return o, fmt.Errorf("Options.DataDir is %q: it must be an absolute path", o.DataDir)
	}
	o.DataDir = filepath.Clean(o.DataDir)
	if o.ConfigDir != "" && !filepath.IsAbs(o.ConfigDir) {
		return o, fmt.Errorf("Options.ConfigDir is %q: it must be an absolute path", o.ConfigDir)
	}
	if o.ConfigBaseName == "" {
		o.ConfigBaseName = "postgresql"
	}
	if o.PassFile == "" {
		o.PassFile = o.DataDir + ".pgpass"
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.LogFile == "" {
		o.LogFile = o.DataDir + ".log"
	}
	if o.Launcher == nil {
		o.Launcher = forker{o.Clock}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o, nil
}
