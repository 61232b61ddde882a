package ha

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/postgres"
)

// fencing is the agent's side of its guard: it keeps the connection, counts the
// arms, and starts postmasters through it. It is a postgres.Launcher.
type fencing struct {
	agent  *Agent
	mode   fence.Mode
	mu     sync.Mutex
	guard  Fence // nil: none
	number uint64
	lostAt clock.Instant
	absent bool   // automatic mode, and none can run here
	said   string // what is wrong with the guard, as it was logged last
	state  fence.State
	never  chan struct{}
}

const (
	// callTimeout bounds a request to the guard, which has nothing slow to do.
	callTimeout = time.Second
	// connectTimeout bounds what one cycle spends on a guard that is gone. One
	// starts well within it.
	connectTimeout = 2 * time.Second
)

// launchTimeout bounds a start by the guard, until the fork.
const launchTimeout = 5 * time.Second

// begin connects the guard. In automatic mode it is an error only where a guard
// could run.
func (f *fencing) begin(ctx context.Context, a *Agent) error {
	f.agent, f.mode, f.never = a, a.cfg.Fencing.Mode, make(chan struct{})
	if f.mode == "" {
		f.mode = fence.Automatic
	}
	if f.mode == fence.Off {
		a.log.Warn("fence is off: nobody stops PostgreSQL if this agent is killed or frozen while it leads")
		return nil
	}
	if err := fence.Available(); err != nil && !a.cfg.Fencing.Anywhere {
		if f.mode == fence.Required {
			return fmt.Errorf("ha: fence is required: %w", err)
		}
		a.log.Warn("no guard can run here: nobody stops PostgreSQL if this agent is killed or frozen while it leads", "reason", err)
		f.absent = true
		return nil
	}
	if err := f.connect(ctx); err != nil {
		return fmt.Errorf("ha: no guard: %w", err)
	}
	return nil
}

// off says whether nobody fences.
func (f *fencing) off() bool { return f.mode == fence.Off || f.absent }

func (f *fencing) connect(ctx context.Context) error {
	guard, err := f.agent.cfg.Fencing.Connect(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, callTimeout)
	defer cancel()
	state, err := guard.State(ctx)
	if err != nil {
		guard.Close()
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guard, f.state, f.lostAt = guard, state, 0
	f.number = max(f.number, state.Number)
	return nil
}

// lost is closed when the guard's connection has ended.
func (f *fencing) lost() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guard == nil {
		return f.never
	}
	return f.guard.Lost()
}

// look asks the guard how it is, and starts another one if it is gone.
func (f *fencing) look(ctx context.Context) guard {
	if f.off() {
		return guard{Off: true}
	}
	f.mu.Lock()
	g := f.guard
	f.mu.Unlock()
	var err error
	if g == nil {
		err = f.reconnect(ctx)
	} else {
		err = f.refresh(ctx, g)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say(err)
	if err != nil && f.lostAt.IsZero() {
		f.lostAt = f.agent.clock.Now()
	}
	s := f.state
	return guard{
		Connected: err == nil, LostAt: f.lostAt, Spent: s.Spent, Number: s.Number,
		Armed: s.Armed(), AnswerBy: s.AnswerBy(), Latched: s.Fenced != "" || s.Fired, Killing: s.Killing,
	}
}

// reconnect connects within a cycle. The next one goes on where it ended.
func (f *fencing) reconnect(ctx context.Context) error {
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, connectTimeout)
	defer cancel()
	return f.connect(ctx)
}

// say logs what is wrong with the guard when that is news.
func (f *fencing) say(err error) {
	said := ""
	if err != nil {
		said = err.Error()
	}
	switch {
	case said == f.said:
		return
	case err != nil:
		f.agent.log.Warn("the guard does not answer", "error", err)
	default:
		f.agent.log.Info("the guard answers again")
	}
	f.said = said
}

func (f *fencing) refresh(ctx context.Context, g Fence) error {
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, callTimeout)
	defer cancel()
	state, err := g.State(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.state, f.lostAt = state, 0
		return nil
	}
	select {
	case <-g.Lost():
		g.Close()
		f.guard = nil
		f.agent.office.unarmed()
	default:
	}
	return err
}

// next is the number of the next arm, disarm or hold.
func (f *fencing) next() (Fence, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	return f.guard, f.number
}

// arm moves the guard's deadline to plan. It returns the number that a start or
// a promotion rests on.
func (f *fencing) arm(ctx context.Context, grant string, plan dcs.Plan) (uint64, error) {
	g, number := f.next()
	if f.off() {
		return number, nil
	}
	if g == nil {
		return 0, errors.New("there is no guard")
	}
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, callTimeout)
	defer cancel()
	return number, g.Arm(ctx, fence.Arm{Number: number, Grant: grant, Fast: plan.Fast, Kill: plan.Kill})
}

// disarm says that nothing that may be writable runs.
func (f *fencing) disarm(ctx context.Context) error {
	g, number := f.next()
	if f.off() || g == nil {
		return nil
	}
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, callTimeout)
	defer cancel()
	return g.Disarm(ctx, number)
}

// Launch starts a postmaster through the guard.
func (f *fencing) Launch(ctx context.Context, c postgres.Command) (int, error) {
	f.mu.Lock()
	g := f.guard
	f.mu.Unlock()
	if g == nil {
		return 0, errors.New("ha: there is no guard to start PostgreSQL")
	}
	ctx, cancel := clock.WithTimeout(ctx, f.agent.clock, launchTimeout)
	defer cancel()
	return g.Launch(ctx, fence.Command{
		Path: c.Path, Args: c.Args, Env: c.Env, Dir: c.Dir, Log: c.Log, Writable: c.Writable,
		Permit: fence.Permit{Number: c.Permit.Number, NotAfter: c.Permit.NotAfter},
	})
}

// upcoming is the number that the next arm will have.
func (f *fencing) upcoming() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.number + 1
}
