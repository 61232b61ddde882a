package ha

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/turn"
	"github.com/regent-ha/regent/postgres"
)

// office is our time as leader. The loop changes it; the lease timer and those
// who ask for our health read it at any moment.
type office struct {
	agent *Agent
	// turn is held from reading the term until what was made of it is written
	// down and acknowledged: the loop renews, and jobs ask for permits beside it.
	// It is taken before mu.
	turn  turn.Lock
	mu    sync.Mutex
	term  term
	seen  seen
	moved chan struct{} // gets a hint when the term or the pledges changed

	endLeadership context.CancelFunc // of the context for Hooks.Leading; nil: none was given
}

func (o *office) init(a *Agent) {
	o.agent, o.turn = a, turn.New()
	o.moved = make(chan struct{}, 1)
}

func (o *office) get() term {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.term
}

func (o *office) set(t term) {
	o.mu.Lock()
	o.term = t
	o.mu.Unlock()
	o.hint()
}

// errEnded says that the term ended while something was made of it.
var errEnded = errors.New("ha: the lease has ended meanwhile")

// change edits the term if it is still that of a grant; "" is of none.
func (o *office) change(grant string, edit func(*term)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.term.Lease.ID != grant {
		return errEnded
	}
	edit(&o.term)
	o.hint()
	return nil
}

// seen is what the loop has seen of what is noted with a term, whoever makes the note.
type seen struct {
	systemID string
	failsafe dcs.Failsafe // as the store had it last
	received bool         // the store was read
}

// sawMap takes the store's failsafe map, and drops those that can't be in force any more.
func (o *office) sawMap(read dcs.Failsafe) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.failsafe, o.seen.received = read, true
	if len(o.term.Maps) > 0 {
		o.term.Maps = stillOpen(o.term.Maps, read.Version)
	}
}

// wroteMap takes a failsafe map that is the store's by our own word.
func (o *office) wroteMap(written dcs.Failsafe) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.failsafe = written
}

// mapRead is the store's failsafe map, if it was ever read.
func (o *office) mapRead() (dcs.Failsafe, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen.failsafe, o.seen.received
}

func (o *office) sawSystem(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.systemID = id
}

// system is the system identifier of our data.
func (o *office) system() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen.systemID
}

// takeTurn waits for the turn, however long: what was granted must be made to count.
// It returns how to give it to the next.
func (o *office) takeTurn() (give func()) {
	_ = o.turn.Take(context.Background()) // which doesn't end
	return o.turn.Give
}

// hint makes the lease timer look at its deadline again.
func (o *office) hint() {
	select {
	case o.moved <- struct{}{}:
	default:
	}
}

// unarmed is called when the guard is gone: what it acknowledged is worth
// nothing until another one does. Its plan still bounds us.
func (o *office) unarmed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.term.Armed = 0
	o.hint()
}

// look is the term as it is at now. One that is over by time alone, with no
// pledges behind it and its server stopped by the timer, is dropped: nothing of
// it counts any more, and the store has no say in that.
func (o *office) look(now clock.Instant) term {
	t := o.get()
	if t.held() && !now.Before(t.Plan.End) && !o.agent.pledges.look().bind(now) {
		o.agent.log.Warn("the lease has run out without a renewal")
		o.end()
		return term{}
	}
	return t
}

// end is the end of our term, whatever the store thinks, and of what was to be done
// under it.
func (o *office) end() {
	o.set(term{})
	o.agent.jobs.cancelUnderLease()
	o.agent.pledged.acquired(false)
	o.endLeading()
}

// endLeading ends the context that the embedder got, if it did.
func (o *office) endLeading() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.endLeadership != nil {
		o.endLeadership()
		o.endLeadership = nil
	}
}

// allows says until when the term t allows an effect that makes the server writable,
// or why it doesn't.
func (o *office) allows(t term, notAfter clock.Instant) (clock.Instant, error) {
	a := o.agent
	notAfter = clock.Earliest(notAfter, later(t.Plan, a.pledges.look().Plan).Timer)
	switch {
	case !t.held():
		return 0, errors.New("ha: there is no lease to be primary under")
	case t.Armed == 0 && !a.fencing.off():
		return 0, errors.New("ha: the guard has not acknowledged the lease")
	case !a.clock.Now().Before(notAfter):
		return 0, errors.New("ha: the lease is too near to its end to become primary")
	case a.pledged.look().binds(a.clock.Now()):
		return 0, errors.New("ha: a pledge to another leader binds us")
	}
	return notAfter, nil
}

// permit allows one effect that makes the server writable, under the arm that
// the guard acknowledged last, and writes down that it may be.
func (o *office) permit(notAfter clock.Instant) (postgres.Permit, error) {
	defer o.takeTurn()()
	t := o.get()
	a := o.agent
	notAfter, err := o.allows(t, notAfter)
	if err != nil {
		return postgres.Permit{}, err
	}
	t.Writable = t.Lease.ID
	if err := a.writeDown(t, a.pledges.look().Plan); err != nil {
		return postgres.Permit{}, err
	}
	if err := o.change(t.Lease.ID, func(t *term) { t.Writable = t.Lease.ID }); err != nil {
		return postgres.Permit{}, err
	}
	return postgres.Permit{Number: t.Armed, NotAfter: notAfter}, nil
}

// beginLeadership tells the embedder, once a term.
func (o *office) beginLeadership(t term) {
	hook := o.agent.cfg.Hooks.Leading
	if hook == nil || t.Writable != t.Lease.ID {
		return
	}
	o.mu.Lock()
	if o.endLeadership != nil {
		o.mu.Unlock()
		return
	}
	leading, end := context.WithCancel(context.Background())
	o.endLeadership = end
	o.mu.Unlock()
	o.agent.teller.say(func() { hook(leading) })
}

// watchTimer is the lease timer: at the agent's own deadline, one step before
// the guard's, it ends clients and demotes, whatever the loop is doing.
func (o *office) watchTimer(ctx context.Context) {
	for {
		deadline := o.deadline()
		timer := o.agent.clock.NewTimer(deadline)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-o.moved:
			timer.Stop()
			continue
		case <-timer.C():
		}
		if now := o.agent.clock.Now(); now.Before(o.deadline()) {
			continue
		}
		o.expire(ctx)
		select {
		case <-o.moved: // until then there is nothing more to do at this deadline
		case <-ctx.Done():
			return
		}
	}
}

// never is later than any lease.
const never = clock.Instant(1<<63 - 1)

// deadline is when the lease timer goes off.
func (o *office) deadline() clock.Instant {
	t := o.get()
	if t.Writable == "" || !t.held() {
		return never
	}
	return max(t.Plan.Timer, o.agent.pledges.look().Plan.Timer)
}

// stopBy stops the server, ever harder, and leaves nothing of it by the instant kill.
func (a *Agent) stopBy(ctx context.Context, kill clock.Instant) error {
	left := max(kill.Sub(a.clock.Now()), time.Millisecond)
	return a.cfg.PostgreSQL.Stop(ctx, postgres.Stop{Mode: postgres.StopFast, Escalate: left / 2, Within: left})
}

// expire stops the server because nothing says any more that we may lead: by the
// instant at which the guard would kill it, so that one that is frozen isn't missed.
func (o *office) expire(ctx context.Context) {
	t := o.get()
	a := o.agent
	a.log.Warn("the lease was not renewed in time: stopping PostgreSQL")
	a.jobs.cancel()
	o.endLeading()
	kill := max(t.Plan.Kill, a.pledges.look().Plan.Kill)
	if err := a.stopBy(ctx, kill); err != nil {
		a.log.Error("PostgreSQL could not be stopped: its guard does it", "error", err)
		return
	}
	o.mu.Lock()
	if o.term.Lease == t.Lease {
		o.term.Writable = ""
	}
	o.mu.Unlock()
	o.hint()
	a.Wake()
}
