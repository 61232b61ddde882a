package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// readTimeout bounds a look into the store on behalf of one request.
const readTimeout = 5 * time.Second

// read looks into the store; on an error it answers the request and returns false.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (dcs.Cluster, bool) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	c, err := s.agent.Client().Read(ctx)
	if err != nil {
		s.log.Debug("a request could not read the store", "path", r.URL.Path, "error", err)
		errorPage(w, http.StatusServiceUnavailable, "The store can't be read")
		return dcs.Cluster{}, false
	}
	return c, true
}

// cluster answers GET /cluster.
func (s *Server) cluster(w http.ResponseWriter, r *http.Request) {
	if c, ok := s.read(w, r); ok {
		document(w, http.StatusOK, NewOverview(s.o.Scope, c))
	}
}

// history answers GET /history.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	report := s.agent.Report()
	c := report.Cluster
	if !report.Known {
		var ok bool
		if c, ok = s.read(w, r); !ok {
			return
		}
	}
	document(w, http.StatusOK, c.History)
}

// decisions answers GET /decisions: what the agent decided last, and why.
func (s *Server) decisions(w http.ResponseWriter, _ *http.Request) {
	list := s.agent.Decisions()
	o := &object{}
	o.set("name", s.o.Name)
	o.set("scope", s.o.Scope)
	if list == nil {
		o.set("decisions", []struct{}{})
	} else {
		o.set("decisions", list)
	}
	document(w, http.StatusOK, o)
}

// MarshalJSON writes the answer of GET /cluster.
func (o Overview) MarshalJSON() ([]byte, error) {
	out := &object{}
	members := make([]*object, 0, len(o.Members))
	for _, m := range o.Members {
		members = append(members, m.object())
	}
	out.set("members", members)
	setTrue(out, "pause", o.Paused)
	if f := o.Failover; !f.ScheduledAt.IsZero() {
		scheduled := &object{}
		scheduled.set("at", dcs.FormatTime(f.ScheduledAt))
		setText(scheduled, "from", f.Leader)
		setText(scheduled, "to", f.Candidate)
		out.set("scheduled_switchover", scheduled)
	}
	out.set("scope", o.Scope)
	return out.MarshalJSON()
}

func (m MemberOverview) object() *object {
	o := &object{}
	o.set("name", m.Name)
	o.set("role", m.Role)
	o.set("state", m.State)
	o.set("api_url", m.APIURL)
	if m.Host != "" {
		o.set("host", m.Host)
		o.set("port", m.Port)
	}
	if m.Timeline != 0 {
		o.set("timeline", m.Timeline)
	}
	if m.PendingRestart != nil {
		o.set("pending_restart", true)
		o.set("pending_restart_reason", m.PendingRestart)
	}
	if len(m.ScheduledRestart) > 0 {
		o.set("scheduled_restart", m.ScheduledRestart)
	}
	if len(m.Tags) > 0 {
		o.set("tags", m.Tags)
	}
	if m.Leads() {
		return o
	}
	m.Receive.set(o, "receive_")
	m.Replay.set(o, "replay_")
	m.Last.set(o, "")
	return o
}

func (p Position) set(o *object, prefix string) {
	if p.LSN == 0 {
		o.set(prefix+"lag", dcs.StateUnknown)
		o.set(prefix+"lsn", dcs.StateUnknown)
		return
	}
	o.set(prefix+"lag", p.Lag)
	o.set(prefix+"lsn", p.LSN.String())
}
