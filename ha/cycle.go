package ha

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

var errLeave = errors.New("ha: the agent has ended on request")

// cycle looks, decides and applies once. It returns when to look again.
func (a *Agent) cycle(ctx context.Context) (clock.Instant, error) {
	quiet := a.quiet()
	v := a.observe(ctx, a.readDue(quiet))
	if a.speak(ctx, v) {
		v = a.observe(ctx, false)
	}
	d := decide(v)
	if !v.Store.Fresh && v.Store.Err == "" && !idle(v, d) && !(quiet && routine(v, d)) {
		// Anything else than "nothing to do" is decided on what the store says now. One
		// that has just been silent isn't asked again: a leader has pledges to ask for.
		v = a.observe(ctx, true)
		d = decide(v)
	}
	if ctx.Err() != nil {
		return 0, nil // what couldn't be seen for that reason says nothing
	}
	a.jobs.seen(v.Job)
	a.membership.note(ctx, v)
	a.report(v, d)
	a.reload(ctx, v)
	return a.apply(ctx, v, d)
}

// idle says whether a decision does nothing at all.
func idle(v view, d decision) bool {
	return len(d.Actions) == 0 && d.Memory == remember(v)
}

// routine says whether a decision does only what a member does in every cycle,
// under conditions that the store itself checks: it publishes an unchanged entry,
// and a leader renews its lease with its position. Slots that are there move to where
// the leader said that they are, which it said already. A standby whose WAL doesn't
// stream has reason enough to read.
func routine(v view, d decision) bool {
	s := v.Server
	if v.Term.Unknown || !v.Term.held() && (s.Receiver == nil || !s.Receiver.Streaming) {
		return false
	}
	for _, act := range d.Actions {
		switch act := act.(type) {
		case touch:
		case syncSlots:
			if slotMissing(v, act.Wanted) || slices.ContainsFunc(act.Gone, func(name string) bool { return hasSlot(v, name) }) {
				return false
			}
		case renew:
			if slices.ContainsFunc(act.Docs, func(w dcs.Write) bool { return w.Key != dcs.StatusKey }) {
				return false
			}
		default:
			return false
		}
	}
	d.Memory.LastTouch, d.Memory.LastSlots = v.Memory.LastTouch, v.Memory.LastSlots
	return d.Memory == remember(v)
}

// readDue says whether the store must be read in the next cycle.
func (a *Agent) readDue(quiet bool) bool {
	return a.stale || !a.received || !a.lostAt.IsZero() || a.requests.isConfigured() ||
		!quiet && !a.clock.Now().Before(a.readAt.Add(a.settings.LoopWait))
}

// readAnyway is how many loop_wait pass at most between two reads, however well a
// watch proves that there is nothing new.
const readAnyway = 10

// quiet says whether the last read still shows the store as it is, as far as its
// watch has proven not long ago. Members whose entries are in it have been seen
// until then.
func (a *Agent) quiet() bool {
	from, until := a.client.Quiet()
	now, s := a.clock.Now(), a.settings
	if from.IsZero() || a.readAt.Before(from) || !a.received || !a.lostAt.IsZero() ||
		!now.Before(until.Add(max(s.LoopWait, s.TTL/2))) || !now.Before(a.readAt.Add(readAnyway*s.LoopWait)) {
		return false
	}
	a.knownAt = max(a.knownAt, until)
	for _, m := range a.cluster.Members {
		a.seen[m.Name] = max(a.seen[m.Name], until)
	}
	return true
}

// observe is everything that a decision may depend on.
func (a *Agent) observe(ctx context.Context, read bool) view {
	v := view{Store: store{LostAt: a.lostAt}}
	if read {
		v.Store = a.read(ctx)
	}
	v.Guard = a.fencing.look(ctx)
	v.Server = a.status(ctx)
	a.membership.recall()
	v.Guard.Unasked = a.unasked(ctx, v)
	v.Store.Cluster, v.Store.Received = a.cluster, a.received
	v.Now, v.Wall = a.clock.Now(), a.cfg.Now()
	v.Self = a.self(ctx, v)
	v.Settings = a.settings
	v.Term = a.office.look(v.Now)
	v.NotesErr = a.unwritable(v.Term.held())
	v.History = a.ownHistory(ctx, v.Server.Timeline)
	v.Peers = a.peers.look()
	v.Job = a.jobs.look()
	v.Pledged = a.pledged.look()
	v.Pledges = a.pledges.look()
	v.Request = a.requests.look()
	v.Seen, v.Known = maps.Clone(a.seen), a.everKnown()
	v.Memory = a.memory
	return v
}

// read asks the store, and takes over its configuration.
func (a *Agent) read(ctx context.Context) store {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	cluster, err := a.client.Read(ctx)
	if err != nil {
		if a.lostAt.IsZero() {
			a.lostAt = a.clock.Now()
		}
		return store{Err: err.Error(), LostAt: a.lostAt}
	}
	now := a.clock.Now()
	if !a.lostAt.IsZero() {
		// Nobody can be seen in a store that can't be read: that time doesn't count.
		for name, seen := range a.seen {
			a.seen[name] = seen.Add(now.Sub(a.lostAt))
		}
	}
	a.cluster, a.received, a.stale = cluster, true, false
	a.readAt, a.knownAt, a.lostAt = cluster.Sent, cluster.Sent, 0
	for _, m := range cluster.Members {
		a.seen[m.Name], a.known[m.Name] = now, m
	}
	a.settle(cluster)
	a.office.sawMap(cluster.Failsafe)
	a.reconfigure(cluster)
	a.pledged.saw(cluster)
	return store{Fresh: true}
}

// settle ends a try for the leader key that got no answer, once another member
// holds it.
func (a *Agent) settle(c dcs.Cluster) {
	t := a.office.get()
	if (t.Unsettled || t.Gone) && c.Leader != nil && c.Leader.Name != a.cfg.Name {
		a.notAcquired(t, true)
	}
}

// everKnown are all members that this agent has seen, by name.
func (a *Agent) everKnown() []dcs.Member {
	members := slices.Collect(maps.Values(a.known))
	slices.SortFunc(members, func(x, y dcs.Member) int { return strings.Compare(x.Name, y.Name) })
	return members
}

// status asks the server. It is bounded by itself; the context only ends with
// the agent.
func (a *Agent) status(ctx context.Context) postgres.Status {
	ctx, cancel := clock.WithTimeout(ctx, a.clock, a.settings.Timing().RequestTimeout())
	defer cancel()
	s := a.cfg.PostgreSQL.Status(ctx)
	if s.SystemID != "" {
		a.office.sawSystem(s.SystemID)
	}
	return s
}

func (a *Agent) self(ctx context.Context, v view) self {
	c, server := a.cfg, a.cfg.PostgreSQL.Settings()
	s := self{
		Name: c.Name, Tags: a.requests.tagged(), ConnURL: c.ConnURL, APIURL: c.APIURL, ProxyURL: c.ProxyURL,
		Version: Version, Regent: c.Release,
		Bootstrap: len(c.NewCluster) > 0, Config: a.lastKnown, UseSlots: server.UseSlots,
		RemoveOnDivergence: server.RemoveOnDivergedTimelines, RemoveOnRewindFail: server.RemoveOnRewindFailure,
	}
	switch {
	case !server.UseRewind:
		s.CanRewind = "use_pg_rewind is off"
	case a.memory.Checked.Result == ancestryDiverged:
		s.CanRewind = a.canRewind(ctx)
	}
	return s
}

// reconfigure takes over the dynamic configuration, if it is another one.
// Values that can't be used leave the last good ones in place.
func (a *Agent) reconfigure(c dcs.Cluster) {
	changed := a.requests.takeConfigured()
	floors := a.floorsFor(c)
	if c.Config.Values == nil || c.Config.Version == a.dynamic && floors == a.floors && !changed {
		return
	}
	a.dynamic, a.floors = c.Config.Version, floors
	if text, err := c.Config.MarshalJSON(); err == nil {
		a.lastKnown = text // for a store that loses it
	}
	settings, server, err := a.cfg.Reconfigure(c.Config.Values, floors)
	if err == nil {
		err = settings.Timing().Check()
	}
	if err != nil {
		a.log.Warn("the dynamic configuration can't be used, the last good one stays", "error", err)
		return
	}
	if settings.TTL != a.settings.TTL {
		a.shrunk = a.shrunk || settings.TTL < a.settings.TTL
		a.client.SetTTL(settings.TTL)
	}
	a.settings = settings
	a.pledged.lasts(settings.TTL)
	if server == nil {
		return
	}
	if err := a.cfg.PostgreSQL.Configure(*server); err != nil {
		a.log.Warn("the server's configuration can't be used, the last good one stays", "error", err)
		return
	}
	a.requests.reload()
}

// floorsFor are the least timeouts in this cluster: the common ones as long as
// any member is not ours, since the others count on them.
func (a *Agent) floorsFor(c dcs.Cluster) Floors {
	for _, m := range c.Members {
		if m.Regent == "" {
			return CommonFloors()
		}
	}
	return a.cfg.Floors
}
