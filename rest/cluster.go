package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/jsontext"
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

// decisions answers GET /decisions: what the agent decided last, and why. With
// ?views it is the last few, with all that each was made from.
func (s *Server) decisions(w http.ResponseWriter, r *http.Request) {
	list := s.agent.Decisions()
	if r.URL.Query().Has("views") {
		var err error
		if list, err = s.agent.Views(); err != nil {
			s.log.Warn("the views of the last decisions can't be told", "error", err)
			errorPage(w, http.StatusInternalServerError, "")
			return
		}
	}
	o := &jsontext.Object{}
	o.Set("name", s.o.Name)
	o.Set("scope", s.o.Scope)
	if list == nil {
		o.Set("decisions", []struct{}{})
	} else {
		o.Set("decisions", list)
	}
	document(w, http.StatusOK, o)
}

// MarshalJSON writes the answer of GET /cluster.
func (o Overview) MarshalJSON() ([]byte, error) {
	out := &jsontext.Object{}
	members := make([]*jsontext.Object, 0, len(o.Members))
	for _, m := range o.Members {
		members = append(members, m.object())
	}
	out.Set("members", members)
	setTrue(out, "pause", o.Paused)
	if f := o.Failover; !f.ScheduledAt.IsZero() {
		scheduled := &jsontext.Object{}
		scheduled.Set("at", dcs.FormatTime(f.ScheduledAt))
		setText(scheduled, "from", f.Leader)
		setText(scheduled, "to", f.Candidate)
		out.Set("scheduled_switchover", scheduled)
	}
	out.Set("scope", o.Scope)
	return out.MarshalJSON()
}

func (m MemberOverview) object() *jsontext.Object {
	o := &jsontext.Object{}
	o.Set("name", m.Name)
	o.Set("role", m.Role)
	o.Set("state", m.State)
	o.Set("api_url", m.APIURL)
	if m.Host != "" {
		o.Set("host", m.Host)
		o.Set("port", m.Port)
	}
	if m.Timeline != 0 {
		o.Set("timeline", m.Timeline)
	}
	if m.PendingRestart != nil {
		o.Set("pending_restart", true)
		o.Set("pending_restart_reason", m.PendingRestart)
	}
	if len(m.ScheduledRestart) > 0 {
		o.Set("scheduled_restart", m.ScheduledRestart)
	}
	if len(m.Tags) > 0 {
		o.Set("tags", m.Tags)
	}
	if m.Leads() {
		return o
	}
	m.Receive.set(o, "receive_")
	m.Replay.set(o, "replay_")
	m.Last.set(o, "")
	return o
}

func (p Position) set(o *jsontext.Object, prefix string) {
	if p.LSN == 0 {
		o.Set(prefix+"lag", dcs.StateUnknown)
		o.Set(prefix+"lsn", dcs.StateUnknown)
		return
	}
	o.Set(prefix+"lag", p.Lag)
	o.Set(prefix+"lsn", p.LSN.String())
}
