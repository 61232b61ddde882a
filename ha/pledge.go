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

	seen      LeaderNote    // whom the store named last
	seenAt    clock.Instant // when that read of it was sent
	unwritten bool          // seen could not be written down
}

func (b *pledgeBook) init(a *Agent) { b.agent = a }

// load takes up the pledge of the agent before us, and leaves a note for the one after
// us. Where it can't be read, or none was written on this boot, there may have been one:
// see mayHavePledged.
func (b *pledgeBook) load() error {
	a := b.agent
	now := a.clock.Now()
	note, err := a.cfg.Notes.ReadPledge(now, a.settings.TTL)
	b.mu.Lock()
	defer b.mu.Unlock()
	unreadable := err != nil && !errors.Is(err, fs.ErrNotExist)
	if err != nil {
		note = PledgeNote{Assumed: now}
	}
	if !note.Assumed.IsZero() {
		note.AssumedFor = max(note.AssumedFor, a.settings.TTL)
	}
	b.given = pledge(note)
	if unreadable {
		return fmt.Errorf("the pledge file can't be read, so that one is assumed: %w", err)
	}
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

// Pledge gives our word to a leader that has lost the store: for one ttl, as this member
// knows it, we neither acquire nor promote. The leader may know another one by now, and
// counts on the shorter of both. It is given
// only to the leader of this cluster that we saw last in the store, and not while the
// store names another. It is written down before it is given. An error is a refusal,
// with the reason for whoever asked.
func (a *Agent) Pledge(ctx context.Context, r PledgeRequest) (PledgeAnswer, error) {
	report := a.Report()
	if !report.Settings.Failsafe {
		return PledgeAnswer{}, ErrFailsafeOff
	}
	s := a.cfg.PostgreSQL.Status(ctx)
	if s.Role == postgres.RolePrimary {
		return PledgeAnswer{}, ErrRunningAsLeader
	}
	g := a.giver(ctx, s, report.Settings.TTL)
	if err := g.refuses(r); err != nil {
		return PledgeAnswer{}, err
	}
	if err := a.pledged.give(r.Name, g.TTL); err != nil {
		return PledgeAnswer{}, err
	}
	a.Wake() // what is told of this member changes
	return PledgeAnswer{LSN: uint64(s.Location), Terms: g.terms(r)}, nil
}

// give writes down that we keep still for a leader, unless we may lead ourselves or
// keep still for another.
func (b *pledgeBook) give(to string, lasts time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.agent.clock.Now()
	switch {
	case now.Before(b.claims):
		return ErrRunningAsLeader
	case b.given.binds(now) && b.given.To != to:
		return fmt.Errorf("pledged to %s", b.given.To)
	}
	given := pledge{To: to, For: lasts, Until: now.Add(lasts), Assumed: b.given.Assumed, AssumedFor: b.given.AssumedFor}
	if before := b.given; before.binds(now) && before.Until.After(given.Until) {
		given.For, given.Until = before.For, before.Until // it was given for longer
	}
	if err := b.agent.cfg.Notes.WritePledge(PledgeNote(given)); err != nil {
		return fmt.Errorf("the pledge can't be written down: %w", err)
	}
	b.given = given
	return nil
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
	notOurs := a.notOurs(members)
	r.group.Go(func() {
		lasts, err := r.round(ctx, a, request, members, notOurs)
		plan := timing.PlanFor(sent, lasts)
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
	pledged, changed := r.state.Plan, r.epoch != epoch
	r.mu.Unlock()
	right := later(t.Plan, pledged)
	switch {
	case !t.held():
		return errors.New("the lease has ended meanwhile")
	case changed:
		return errors.New("the failsafe map has changed meanwhile")
	case !a.clock.Now().Before(right.Timer):
		return errors.New("the pledges came too late")
	}
	if !plan.Kill.After(pledged.Kill) {
		return nil // those that count already last longer
	}
	number, err := a.secure(ctx, t, plan)
	if err != nil {
		return err
	}
	if err := a.office.change(t.Lease.ID, func(t *term) { t.Armed = number }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Plan = plan
	return nil
}

// round returns for how long all of members keep still, from before the first was
// asked. Those of notOurs are members of another program, by their entries.
func (r *pledgeRounds) round(ctx context.Context, a *Agent, request PledgeRequest, members map[string]string, notOurs map[string]bool) (time.Duration, error) {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, peerSilence)
	defer cancel()
	names := slices.Sorted(maps.Keys(members))
	failed := make([]error, len(names)) // in the order of the names, whoever is first to fail
	given := make([]time.Duration, len(names))
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() {
			request := request.to(name)
			answer, err := a.cfg.Peers.Pledge(ctx, members[name], request)
			if err == nil {
				given[i], err = request.given(answer, notOurs[name])
			}
			if err != nil {
				failed[i] = fmt.Errorf("%s does not pledge: %w", name, err)
			}
		})
	}
	asked.Wait()
	return slices.Min(append(given, time.Duration(request.Terms.TTL)*time.Second)), errors.Join(failed...)
}
