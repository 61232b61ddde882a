package rest

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/internal/jsontext"
	"github.com/regent-ha/regent/postgres"
)

// refreshTimeout bounds the question to the server behind GET /patroni. Members
// that ask for an election wait hardly longer for the answer.
const refreshTimeout = 1500 * time.Millisecond

// status answers GET /patroni.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	report := s.fresh.get(r.Context(), s.agent)
	now := s.clock.Now()
	document(w, http.StatusOK, s.statusOf(report, factsAt(report, now), now))
}

// refresher asks the server once for all who ask at the same time: whoever comes
// while a question is under way shares the next one, since the answer must not
// be older than the request.
type refresher struct {
	group sync.WaitGroup
	mu    sync.Mutex
	now   *refresh // under way
	next  *refresh // begins when it has ended
}

type refresh struct {
	report ha.Report
	done   chan struct{}
}

// get returns what the agent knows, with a server that was asked after get was
// called. If ctx ends before, it is asked in vain: the last Report.
func (f *refresher) get(ctx context.Context, a Agent) ha.Report {
	r := f.join(a)
	select {
	case <-r.done:
		return r.report
	case <-ctx.Done():
		return a.Report()
	}
}

func (f *refresher) join(a Agent) *refresh {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.now == nil:
		f.now = &refresh{done: make(chan struct{})}
		f.run(a, f.now)
		return f.now
	case f.next == nil:
		f.next = &refresh{done: make(chan struct{})}
	}
	return f.next
}

// run asks for r and then for what came meanwhile. The caller has the lock.
func (f *refresher) run(a Agent, r *refresh) {
	f.group.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
		r.report = a.Refresh(ctx)
		cancel()
		close(r.done)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.now, f.next = f.next, nil
		if f.now != nil {
			f.run(a, f.now)
		}
	})
}

func (f *refresher) wait() { f.group.Wait() }

// statusOf is a member's status, as JSON for health checks, peers and people.
func (s *Server) statusOf(r ha.Report, f facts, now clock.Instant) *jsontext.Object {
	o := &jsontext.Object{}
	server := r.Server
	o.Set("state", f.state)
	if server.Role != postgres.RoleNone {
		o.Set("postmaster_start_time", blankTime(server.StartedAt))
	}
	o.Set("role", f.role)
	if server.Role != postgres.RoleNone {
		o.Set("server_version", server.ServerVersion)
		o.Set("xlog", positions(server, f))
		setTrue(o, "sync_standby", f.syncStandby)
		setTrue(o, "quorum_standby", f.quorumStandby)
		o.Set("timeline", timeline(server.Timeline))
		setText(o, "replication_state", f.replication)
		if len(server.Replication) > 0 {
			o.Set("replication", walsenders(server.Replication))
		}
	}
	setTrue(o, "pause", f.paused)
	setTrue(o, "cluster_unlocked", !f.view || r.Cluster.Unlocked())
	setTrue(o, "failsafe_mode_is_active", f.failsafe)
	o.Set("dcs_last_seen", unixSeconds(r.LastSeen))
	if len(r.Member.Tags) > 0 {
		o.Set("tags", r.Member.Tags)
	}
	setText(o, "database_system_identifier", server.SystemID)
	if r.Member.PendingRestart != nil {
		o.Set("pending_restart", true)
		o.Set("pending_restart_reason", r.Member.PendingRestart)
	}
	o.Set("patroni", s.identity())
	if later := maps.Clone(r.Member.ScheduledRestart); len(later) > 0 {
		delete(later, "postmaster_start_time")
		o.Set("scheduled_restart", later)
	}
	o.Set("regent", s.own(r))
	return o
}

func (s *Server) identity() *jsontext.Object {
	o := &jsontext.Object{}
	o.Set("version", formatVersion)
	o.Set("scope", s.o.Scope)
	o.Set("name", s.o.Name)
	return o
}

// own is what only members of ours say and read.
func (s *Server) own(r ha.Report) *jsontext.Object {
	o := &jsontext.Object{}
	o.Set("version", s.o.Release)
	setText(o, "unfit", r.Unfit())
	setTrue(o, "passing", r.Passing())
	setText(o, "pledged_to", r.PledgedTo)
	setTrue(o, "no_pledges", r.NoPledges)
	return o
}

// positions are present only if the server said them itself, just now: other
// members take their absence for a server that doesn't run.
func positions(server postgres.Status, f facts) *jsontext.Object {
	o := &jsontext.Object{}
	if server.Role == postgres.RolePrimary {
		o.Set("location", uint64(server.Location))
		return o
	}
	o.Set("received_location", f.received)
	o.Set("replayed_location", f.replayed)
	o.Set("replayed_timestamp", blankTime(server.ReplayedAt))
	o.Set("paused", server.ReplayPaused)
	return o
}

func walsenders(rows []postgres.Walsender) []*jsontext.Object {
	list := make([]*jsontext.Object, 0, len(rows))
	for _, row := range rows {
		o := &jsontext.Object{}
		o.Set("usename", row.User)
		o.Set("application_name", row.Application)
		o.Set("client_addr", textOrNull(row.Client))
		o.Set("state", row.State)
		o.Set("sync_state", row.SyncState)
		o.Set("sync_priority", row.SyncPriority)
		list = append(list, o)
	}
	return list
}

func setTrue(o *jsontext.Object, name string, value bool) {
	if value {
		o.Set(name, true)
	}
}

func setText(o *jsontext.Object, name, value string) {
	if value != "" {
		o.Set(name, value)
	}
}

func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func timeline(tl postgres.Timeline) any {
	if tl == 0 {
		return nil
	}
	return tl
}

// blankTime writes a moment as PostgreSQL's text with a blank between date and
// time, and null for none.
func blankTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return strings.Replace(t.UTC().Format("2006-01-02T15:04:05.000000-07:00"), "T", " ", 1)
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
