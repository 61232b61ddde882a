package ha

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/postgres"
)

// Config is what an Agent is made of.
type Config struct {
	Name       string // of this member, unique in the cluster
	Scope      string // of the cluster: what pledges name it by, beside its system identifier
	DCS        dcs.DCS
	PostgreSQL PostgreSQL
	Peers      Peers
	Fencing    Fencing

	ConnURL  string // postgres://host:port/db, that others reach the server by
	APIURL   string // http://host:port/patroni, that others reach this agent by
	ProxyURL string
	Tags     dcs.Tags
	Release  string // of the program, for the member entry; empty: "unknown"

	// Settings are those until the store has some; its TTL becomes that of DCS.
	// DefaultSettings, where nothing else is wanted.
	Settings Settings
	// Floors are the least timeouts that the store allows, as long as all
	// members are ours. Zero: CommonFloors.
	Floors Floors
	// Reconfigure turns the dynamic configuration of the store into settings
	// for the agent and for the server; the latter may be nil. Nil: ParseSettings alone.
	Reconfigure func(dynamic map[string]any, floors Floors) (Settings, *postgres.Settings, error)
	// NewCluster is the dynamic configuration, as JSON, that a cluster gets
	// that is made by this member. Nil: this member never makes one.
	NewCluster []byte
	// LastKnown is the dynamic configuration that a leader writes if the store has
	// lost it. Nil: NewCluster.
	LastKnown []byte

	Notes Notes // what outlives the agent; see Files
	// Known keeps who the members were. Over a store that was emptied a member
	// waits for them before it leads. Nil: nothing is remembered; see KnownFile.
	Known KnownMembers

	Hooks  Hooks
	Clock  clock.Clock      // nil: clock.System()
	Now    func() time.Time // wall clock; nil: time.Now
	Logger *slog.Logger     // nil: discards
}

// Fencing says who stops the server when the agent can't.
type Fencing struct {
	Mode fence.Mode
	// Connect takes the running guard of the data directory, or starts one.
	Connect func(ctx context.Context) (Fence, error)
	// Anywhere says that Connect works also where fence.Available doesn't: it
	// is no process of this machine.
	Anywhere bool
}

// Hooks are told what happens. Each is optional. They are called one after the other, in
// order, beside the agent's loop: one that takes long holds up the next, and the end of
// Run.
type Hooks struct {
	// Server is told what happened to the server, and the role that it has:
	// primary, replica, or demoted for a primary that was stopped.
	Server func(e Event, role string)
	// Leading is called when leadership begins. The context ends before the
	// lease does, by the lead of the lease timer, and with Run.
	Leading func(ctx context.Context)
	// Cycle is told what each cycle decided.
	Cycle func(Decision)
}

// Version is the release of Patroni whose formats this agent speaks.
const Version = "4.1.4"

// Agent is one member of a cluster.
type Agent struct {
	cfg    Config
	client *dcs.Client
	clock  clock.Clock
	log    *slog.Logger

	wake  chan struct{}
	hints <-chan struct{}
	begun atomic.Bool // what the agent before us left behind is taken up

	// Owned by the loop.
	memory    memory
	cluster   dcs.Cluster
	received  bool
	readAt    clock.Instant
	knownAt   clock.Instant // readAt, or until when its watch has proven that nothing changed since
	lostAt    clock.Instant
	stale     bool // a hint says that the store may have news
	seen      map[string]clock.Instant
	known     map[string]dcs.Member // as last seen
	history   []postgres.HistoryLine
	historyOf postgres.Timeline
	dynamic   dcs.Version // of the configuration that is in force
	floors    Floors      // that it was read with
	settings  Settings
	watched   watched
	lastKnown []byte // dynamic configuration for a store that has lost it
	said      string
	failing   map[string]bool // kinds of actions whose failure was said
	shrunk    bool            // the TTL became smaller since the last renewal

	office      office
	fencing     fencing
	jobs        jobs
	checkpoints checkpoints
	membership  knownBook
	errands     errands
	teller      teller
	peers       peerBook
	pledged     pledgeBook
	pledges     pledgeRounds
	requests    requests
	reports     reports
	probes      probes
}

// New checks c and returns an agent that does nothing before Run.
func New(c Config) (*Agent, error) {
	required := []struct {
		field   string
		missing bool
	}{
		{"Name", c.Name == ""},
		{"Scope", c.Scope == ""},
		{"DCS", c.DCS == nil},
		{"PostgreSQL", c.PostgreSQL == nil},
		{"Peers", c.Peers == nil},
		{"Notes", c.Notes == nil},
		{"Fencing.Connect (or Fencing.Mode fence.Off, said aloud)", c.Fencing.Connect == nil && c.Fencing.Mode != fence.Off},
	}
	for _, r := range required {
		if r.missing {
			return nil, fmt.Errorf("ha: Config.%s is missing", r.field)
		}
	}
	if err := c.Settings.Timing().Check(); err != nil {
		return nil, fmt.Errorf("ha: Config.Settings: %w", err)
	}
	if c.Clock == nil {
		c.Clock = clock.System()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Release == "" {
		c.Release = "unknown" // an entry without one is another program's
	}
	if c.Floors == (Floors{}) {
		c.Floors = CommonFloors()
	}
	if c.Reconfigure == nil {
		c.Reconfigure = func(dynamic map[string]any, floors Floors) (Settings, *postgres.Settings, error) {
			s, _, err := ParseSettings(dynamic, floors)
			return s, nil, err
		}
	}
	if c.LastKnown == nil {
		c.LastKnown = c.NewCluster
	}
	a := &Agent{
		cfg: c, clock: c.Clock, log: c.Logger, settings: c.Settings, lastKnown: c.LastKnown,
		client:  dcs.NewClient(c.DCS, dcs.ClientOptions{Clock: c.Clock}),
		wake:    make(chan struct{}, 1),
		seen:    map[string]clock.Instant{},
		known:   map[string]dcs.Member{},
		failing: map[string]bool{},
	}
	a.requests.tags = c.Tags
	a.office.init(a)
	a.jobs.init(a)
	a.membership.init(a)
	a.errands.init(a)
	a.peers.init(a)
	a.pledged.init(a)
	return a, nil
}

// Run is the agent's life. It returns nil when ctx ended or a shutdown was asked
// for and done, else why it can't go on. It doesn't stop the server unless
// Shutdown was called: a server goes on under its guard, and the next agent
// adopts it.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	defer a.pledges.group.Wait()
	defer a.peers.group.Wait()
	defer a.teller.leaves.Wait()
	defer a.checkpoints.group.Wait()
	defer a.membership.group.Wait()
	defer a.errands.group.Wait()
	defer a.jobs.abandon()
	defer a.office.endLeading()
	defer cancel()

	if err := a.begin(ctx); err != nil {
		return err
	}
	a.hints = a.client.Watch(ctx)
	group.Go(func() { a.office.watchTimer(ctx) })
	for {
		next, err := a.cycle(ctx)
		switch {
		case errors.Is(err, errLeave):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return nil
		}
		a.wait(ctx, next)
	}
}

// begin connects the guard and takes up what the agent before us left behind.
func (a *Agent) begin(ctx context.Context) error {
	if err := a.pledged.load(); err != nil {
		a.log.Warn("a problem with what was pledged", "error", err)
	}
	if err := a.pledged.recall(); err != nil {
		a.log.Warn("who led last can't be read: nobody gets a pledge before the store was read", "error", err)
	}
	guarded := a.unguarded(ctx)
	err := a.fencing.begin(ctx, a)
	guarded()
	if err != nil {
		return err
	}
	if !a.fencing.off() {
		a.cfg.PostgreSQL.SetLauncher(&a.fencing)
	}
	a.client.SetTTL(a.settings.TTL)
	v := a.observe(ctx, false)
	a.speak(ctx, v)
	a.resume(ctx)
	if t := a.office.get(); v.Server.Role == postgres.RoleReplica && a.fencing.look(ctx).Armed && (!t.held() || t.Writable != "") {
		// The agent before us may have asked for its promotion.
		a.memory.Promoting = a.clock.Now()
	}
	a.begun.Store(true)
	return nil
}

// wait sleeps until next, or until anything happens that may matter.
func (a *Agent) wait(ctx context.Context, next clock.Instant) {
	timer := a.clock.NewTimer(next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C():
	case <-a.wake:
	case <-a.hints:
		a.stale = true
	case <-a.cfg.PostgreSQL.Exited():
	case <-a.fencing.lost():
	}
	a.drain()
}

// drain takes what else has happened: the cycle that begins now sees to all of it.
func (a *Agent) drain() {
	for {
		select {
		case <-a.wake:
			continue
		case _, open := <-a.hints:
			a.stale = true
			if open {
				continue
			}
		case <-a.cfg.PostgreSQL.Exited():
			continue
		default:
		}
		return
	}
}

// Wake makes the agent look again at once.
func (a *Agent) Wake() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
