package ha

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// pledgeBook is the pledge that we gave, and what keeps us from giving one. The
// lock makes sure that no pledge is given while we are taking the leader key,
// and that the key isn't tried for under a pledge.
type pledgeBook struct {
	agent  *Agent
	mu     sync.Mutex
	given  pledge
	claims clock.Instant // until when a leader key of ours may exist; never: no end known
}

func (b *pledgeBook) init(a *Agent) { b.agent = a }

// load takes up the pledge of the agent before us, and leaves a note for the one after
// us. If it can't be read there may have been one, and it counts as just given. Where
// none was written on this boot there may have been one before it: see mayHavePledged.
func (b *pledgeBook) load() error {
	a := b.agent
	now := a.clock.Now()
	note, err := a.cfg.Notes.ReadPledge(now, a.settings.TTL)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		note = PledgeNote{Assumed: now}
	case err != nil:
		b.given = pledge{To: "a member that can't be told any more", Until: now.Add(a.settings.TTL)}
		return fmt.Errorf("the pledge file can't be read: nobody is elected here for one ttl: %w", err)
	}
	if !note.Assumed.IsZero() {
		note.AssumedFor = max(note.AssumedFor, a.settings.TTL)
	}
	b.given = pledge(note)
	if err := a.cfg.Notes.WritePledge(note); err != nil {
		return fmt.Errorf("the pledge file can't be written: the next agent has to assume a pledge: %w", err)
	}
	return nil
}

// lasts takes a ttl of the cluster for the length of a pledge that is assumed.
func (b *pledgeBook) lasts(ttl time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.given.Assumed.IsZero() {
		b.given.AssumedFor = max(b.given.AssumedFor, ttl)
	}
}

func (b *pledgeBook) look() pledge {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.given
}

// acquiring begins a try for the leader key, unless a pledge binds us.
func (b *pledgeBook) acquiring(now clock.Instant) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given.binds(now) {
		return fmt.Errorf("ha: pledged to %s, who leads without the store", b.given.To)
	}
	b.claims = never
	return nil
}

// acquired says that a try was won, or that nothing of it is left.
func (b *pledgeBook) acquired(won bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims = 0
	if won {
		b.claims = never
	}
}

// held says until when a grant of ours may hold the key.
func (b *pledgeBook) held(until clock.Instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims = until
}

// ErrRunningAsLeader refuses a pledge: this member may hold the key itself.
var ErrRunningAsLeader = errors.New("Running as a leader")

// ErrFailsafeOff refuses a pledge: the cluster doesn't have failsafe_mode.
var ErrFailsafeOff = errors.New("failsafe_mode is off")

// Pledge gives our word to a leader that has lost the store: for one ttl, and no
// less than the leader's own ttl, which may be another one by now, we neither acquire
// nor promote. It is written down before it is given.
func (a *Agent) Pledge(ctx context.Context, r PledgeRequest) (PledgeAnswer, error) {
	report := a.Report()
	if !report.Settings.Failsafe {
		return PledgeAnswer{}, ErrFailsafeOff
	}
	s := a.cfg.PostgreSQL.Status(ctx)
	if s.Role == postgres.RolePrimary {
		return PledgeAnswer{}, ErrRunningAsLeader
	}
	var asked PledgeTerms
	if r.Terms != nil {
		asked = *r.Terms
	}
	lasts := max(report.Settings.TTL, time.Duration(asked.TTL)*time.Second)
	b := &a.pledged
	b.mu.Lock()
	defer b.mu.Unlock()
	now := a.clock.Now()
	switch {
	case now.Before(b.claims):
		return PledgeAnswer{}, ErrRunningAsLeader
	case b.given.binds(now) && b.given.To != r.Name:
		return PledgeAnswer{}, fmt.Errorf("pledged to %s", b.given.To)
	}
	given := pledge{To: r.Name, For: lasts, Until: now.Add(lasts), Assumed: b.given.Assumed, AssumedFor: b.given.AssumedFor}
	if b.given.binds(now) {
		given.Until = max(given.Until, b.given.Until)
	}
	if err := a.cfg.Notes.WritePledge(PledgeNote(given)); err != nil {
		return PledgeAnswer{}, fmt.Errorf("the pledge can't be written down: %w", err)
	}
	b.given = given
	a.Wake() // what is told of this member changes
	terms := PledgeTerms{SystemID: s.SystemID, Scope: a.cfg.Scope, Giver: a.cfg.Name, Taker: r.Name, Grant: asked.Grant, TTL: int64(lasts / time.Second)}
	return PledgeAnswer{LSN: uint64(s.Location), Terms: terms}, nil
}

// pledgeRounds asks for the pledges of all others.
type pledgeRounds struct {
	mu    sync.Mutex
	state pledges
	epoch int // another one after each change of the failsafe map
	group sync.WaitGroup
}

func (r *pledgeRounds) look() pledges {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// end takes back what all have pledged, and what a round under way may bring.
func (r *pledgeRounds) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Plan = dcs.Plan{}
	r.epoch++
}

// resume takes up what was pledged to the agent before us.
func (r *pledgeRounds) resume(plan dcs.Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Plan = plan
}

// ask begins a round, unless one is under way. All must say yes; the right to
// lead counts from before the first of them was asked, and it is the guard's.
func (r *pledgeRounds) ask(ctx context.Context, a *Agent, members map[string]string) {
	report := a.Report() // which looks at the rounds too
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Trying {
		return
	}
	sent := a.clock.Now()
	r.state.Trying, r.state.Tried = true, sent
	epoch := r.epoch
	timing := a.settings.Timing()
	request := PledgeRequest{Name: a.cfg.Name, ConnURL: a.cfg.ConnURL, APIURL: a.cfg.APIURL, Slots: report.Cluster.Status.Slots,
		Terms: &PledgeTerms{SystemID: a.systemID(), Scope: a.cfg.Scope, Taker: a.cfg.Name, Grant: a.office.get().Lease.ID, TTL: wholeSeconds(timing.TTL)}}
	r.group.Go(func() {
		plan := timing.PlanFor(sent, timing.TTL)
		err := r.round(ctx, a, request, members)
		if err == nil {
			err = r.count(ctx, a, epoch, plan)
		}
		r.mu.Lock()
		r.state.Trying, r.state.Err = false, ""
		if err != nil {
			r.state.Err = err.Error()
		}
		r.mu.Unlock()
		a.office.hint()
		a.Wake()
	})
}

// count makes a round's pledges count: written down, then armed. It must be in time,
// and under the failsafe map that the round was begun with.
func (r *pledgeRounds) count(ctx context.Context, a *Agent, epoch int, plan dcs.Plan) error {
	defer a.office.takeTurn()()
	t := a.office.get()
	r.mu.Lock()
	right, changed := later(t.Plan, r.state.Plan), r.epoch != epoch
	r.mu.Unlock()
	switch {
	case !t.held():
		return errors.New("the lease has ended meanwhile")
	case changed:
		return errors.New("the failsafe map has changed meanwhile")
	case !a.clock.Now().Before(right.Timer):
		return errors.New("the pledges came too late")
	}
	number, err := a.secure(ctx, t, plan)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.state.Plan = plan
	r.mu.Unlock()
	return a.office.change(t.Lease.ID, func(t *term) { t.Armed = number })
}

func (r *pledgeRounds) round(ctx context.Context, a *Agent, request PledgeRequest, members map[string]string) error {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, peerSilence)
	defer cancel()
	names := slices.Sorted(maps.Keys(members))
	failed := make([]error, len(names)) // in the order of the names, whoever is first to fail
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() {
			if _, err := a.cfg.Peers.Pledge(ctx, members[name], request.to(name)); err != nil {
				failed[i] = fmt.Errorf("%s does not pledge: %w", name, err)
			}
		})
	}
	asked.Wait()
	return errors.Join(failed...)
}
