package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// action is what an operator asks for.
type action string

const (
	actionSwitchover action = "switchover"
	actionFailover   action = "failover"
)

// title is the action with a capital, as at the beginning of a sentence.
func (a action) title() string { return strings.ToUpper(string(a[:1])) + string(a[1:]) }

// done is the past participle: switched over, failed over.
func (a action) done() string {
	if a == actionFailover {
		return "failed over"
	}
	return "switched over"
}

// refusal is an answer that ends a request: a status and its text.
type refusal struct {
	status int
	text   string
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

func (s *Server) switchover(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, actionSwitchover)
}
func (s *Server) failover(w http.ResponseWriter, r *http.Request) { s.change(w, r, actionFailover) }

// change answers POST /switchover and POST /failover. Any member can take them:
// the request is written to the store, where the leader finds it.
func (s *Server) change(w http.ResponseWriter, r *http.Request, what action) {
	body, ok := s.readObject(w, r, false)
	if !ok {
		return
	}
	asked, ok := parseSuccession(body)
	if !ok {
		errorPage(w, http.StatusBadRequest, "")
		return
	}
	c, ok := s.read(w, r)
	if !ok {
		return
	}
	settings, _, err := ha.ParseSettings(c.Config.Values, ha.ShortFloors())
	if err != nil {
		settings = settingsOf(s.agent.Report()) // with which it goes on
	}
	what, refused := asked.check(what, settings, time.Now())
	if refused == nil && asked.at.IsZero() {
		refused = s.possible(r.Context(), what, asked, c, settings)
	}
	if refused == nil {
		refused = s.carryOut(r.Context(), what, asked, c, settings)
	}
	sentence(w, refused.status, refused.text)
}

// succession is the body of a request for a switchover or a failover.
type succession struct {
	leader, candidate string
	scheduled         string
	at                time.Time // of scheduled; zero: now
}

func parseSuccession(body map[string]any) (succession, bool) {
	text := func(name string) (string, bool) {
		v, ok := body[name].(string)
		return v, ok || body[name] == nil
	}
	leader, ok1 := text("leader")
	candidate, ok2 := text("candidate")
	member, ok3 := text("member")
	scheduled, ok4 := text("scheduled_at")
	if candidate == "" {
		candidate = member
	}
	return succession{leader: leader, candidate: candidate, scheduled: scheduled}, ok1 && ok2 && ok3 && ok4
}

// check finds what is wrong with the request itself. A failover from a leader is
// a switchover.
func (q *succession) check(what action, settings ha.Settings, now time.Time) (action, *refusal) {
	switch {
	case what == actionFailover && q.candidate == "":
		return what, refuse(http.StatusBadRequest, "Failover could be performed only to a specific candidate")
	case what == actionSwitchover && q.leader == "":
		return what, refuse(http.StatusBadRequest, "Switchover could be performed only from a specific leader")
	case q.scheduled != "" && what == actionFailover:
		return what, refuse(http.StatusBadRequest, "Failover can't be scheduled")
	case q.scheduled != "" && settings.Pause:
		return what, refuse(http.StatusBadRequest, "Can't schedule switchover in the paused state")
	}
	if q.scheduled != "" {
		var refused *refusal
		if q.at, refused = parseSchedule(q.scheduled, string(what), now); refused != nil {
			return what, refused
		}
	}
	if settings.Pause && q.candidate == "" {
		return what, refuse(http.StatusBadRequest, "Switchover is possible only to a specific candidate in a paused state")
	}
	if q.leader != "" {
		what = actionSwitchover
	}
	if q.leader == q.candidate {
		return what, refuse(http.StatusBadRequest, "Switchover target and source are the same")
	}
	return what, nil
}

// parseSchedule reads the moment for which something is asked.
func parseSchedule(text, what string, now time.Time) (time.Time, *refusal) {
	at, err := dcs.ParseTime(text)
	if err != nil {
		if _, err := dcs.ParseTime(text + "+00:00"); err == nil {
			return time.Time{}, refuse(http.StatusBadRequest, "Timezone information is mandatory for the scheduled %s", what)
		}
		return time.Time{}, refuse(http.StatusUnprocessableEntity,
			"Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601")
	}
	if at.Before(now) {
		return time.Time{}, refuse(http.StatusUnprocessableEntity, "Cannot schedule %s in the past", what)
	}
	return at, nil
}

// possible finds what in the cluster is in the way.
func (s *Server) possible(ctx context.Context, what action, q succession, c dcs.Cluster, settings ha.Settings) *refusal {
	synchronous := settings.SynchronousMode == ha.SynchronousOn
	var members []dcs.Member
	for _, m := range c.Members {
		switch {
		case q.candidate != "" && m.Name != q.candidate,
			q.candidate == "" && synchronous && !c.Sync.Has(m.Name),
			q.candidate == "" && !synchronous && (m.Name == c.LeaderName() || m.APIURL == ""):
		default:
			members = append(members, m)
		}
	}
	switch {
	case q.leader != "" && q.leader != c.LeaderName():
		return refuse(http.StatusPreconditionFailed, "leader name does not match")
	case q.candidate != "" && what == actionSwitchover && synchronous && !c.Sync.Has(q.candidate):
		return refuse(http.StatusPreconditionFailed, "candidate name does not match with sync_standby")
	case len(members) == 0 && q.candidate != "":
		return refuse(http.StatusPreconditionFailed, "candidate does not exists")
	case len(members) == 0 && synchronous:
		return refuse(http.StatusPreconditionFailed, "%s is not possible: can not find sync_standby", what)
	case len(members) == 0:
		return refuse(http.StatusPreconditionFailed, "%s is not possible: cluster does not have members except leader", what)
	case !s.anyFit(ctx, members):
		return refuse(http.StatusPreconditionFailed, "%s is not possible: no good candidates have been found", what)
	}
	return nil
}

// peerTimeout is how long a candidate is given to say how it is.
const peerTimeout = 2 * time.Second

// anyFit asks all at once and returns with the first that could lead.
func (s *Server) anyFit(ctx context.Context, members []dcs.Member) bool {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	answers := make(chan bool, len(members))
	for _, m := range members {
		go func() {
			p, err := s.o.Peers.Ask(ctx, m)
			answers <- err == nil && p.Running && !p.NoFailover && !p.Watchdog && (p.Unfit == "" || p.Passing)
		}()
	}
	fit := false
	for range members {
		if <-answers {
			fit = true
			cancel() // the others end soon, and are waited for
		}
	}
	return fit
}

// carryOut writes the request to the store and waits for what becomes of it.
func (s *Server) carryOut(ctx context.Context, what action, q succession, c dcs.Cluster, settings ha.Settings) *refusal {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var hints <-chan struct{}
	if q.at.IsZero() {
		hints = s.agent.Client().Watch(watching)
		defer drain(cancel, hints)
	}
	if err := s.request(ctx, q); err != nil {
		s.log.Warn("a request could not be written to the store", "action", what, "error", err)
		return refuse(http.StatusServiceUnavailable, "failed to write failover key into DCS")
	}
	s.agent.Wake()
	if !q.at.IsZero() {
		return refuse(http.StatusAccepted, "%s scheduled", what.title())
	}
	return s.await(ctx, hints, what, q, c.LeaderName(), settings)
}

func (s *Server) request(ctx context.Context, q succession) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	_, err := s.agent.Client().PutFailover(ctx, dcs.Failover{Leader: q.leader, Candidate: q.candidate, ScheduledAt: q.at}, dcs.Any)
	return err
}

// drain ends a watch and waits for its end.
func drain(cancel context.CancelFunc, hints <-chan struct{}) {
	cancel()
	for range hints {
	}
}

// unscheduleSwitchover answers DELETE /switchover.
func (s *Server) unscheduleSwitchover(w http.ResponseWriter, r *http.Request) {
	c, ok := s.read(w, r)
	if !ok {
		return
	}
	if c.Failover.ScheduledAt.IsZero() {
		sentence(w, http.StatusNotFound, "no switchover is scheduled")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	_, err := s.agent.Client().PutFailover(ctx, dcs.Failover{}, c.Failover.Version)
	switch {
	case errors.Is(err, dcs.ErrConflict):
		errorPage(w, http.StatusConflict, "")
	case err != nil:
		s.log.Warn("a scheduled switchover could not be taken back", "error", err)
		errorPage(w, http.StatusServiceUnavailable, "")
	default:
		s.agent.Wake()
		sentence(w, http.StatusOK, "scheduled switchover deleted")
	}
}
