package dcs

import (
	"encoding/json"
	"math"
	"net/url"
	"strings"
)

// StateUnknown is the state of a member whose entry says none.
const StateUnknown = "unknown"

// Member is what one agent publishes about itself.
type Member struct {
	Name string

	ConnURL                string // postgres://host:port/db
	APIURL                 string // http://host:port/patroni
	State                  string // as in the layout: "running", "creating replica", ...
	Role                   string // "primary", "replica", ...; "master" is read as "primary"
	Version                string // the Patroni version whose formats it speaks
	Regent                 string // our version; empty: not one of ours
	Problem                string // ours: why the member is not what it should be, in one line
	ProxyURL               string
	CheckpointAfterPromote *bool // false: not done yet
	Tags                   Tags
	PendingRestart         map[string]PendingChange // nil: none
	Location               uint64                   // xlog_location, bytes; 0: unknown
	ReplayLSN              uint64                   // bytes; 0: unknown
	ReceiveLSN             uint64                   // bytes; 0: unknown
	ReplicationState       string                   // "streaming", "in archive recovery"
	Timeline               uint32                   // 0: unknown
	ScheduledRestart       map[string]any
	Pause                  bool // it sees the cluster paused

	Extra   map[string]json.RawMessage // fields that we don't know, kept
	Written Version                    // of the entry as it was read
}

// PendingChange is one PostgreSQL setting that waits for a restart.
type PendingChange struct {
	Old string `json:"old_value"`
	New string `json:"new_value"`
}

func parseMember(name string, doc Document, p *problems) Member {
	m := Member{Name: name, State: StateUnknown, Written: doc.Version}
	key := MemberKey(name)
	if strings.HasPrefix(string(doc.Value), "postgres") {
		parseLegacyMember(&m, string(doc.Value), p)
		return m
	}
	raw, ok := decodeObject(doc.Value)
	if !ok {
		p.add(key, "%s is no JSON object", excerpt(doc.Value))
		return m
	}
	f := &fields{key, raw, p}
	m.ConnURL, m.APIURL, m.ProxyURL = f.text("conn_url"), f.text("api_url"), f.text("proxy_url")
	if state := f.text("state"); state != "" {
		m.State = state
	}
	if m.Role = f.text("role"); m.Role == "master" {
		m.Role = "primary"
	}
	m.Version, m.Regent, m.Problem = f.text("version"), f.text("regent"), f.text("problem")
	if done, ok := f.boolean("checkpoint_after_promote"); ok {
		m.CheckpointAfterPromote = &done
	}
	m.Tags = f.object("tags")
	m.ScheduledRestart = f.object("scheduled_restart")
	m.PendingRestart = pendingRestart(f)
	m.Location, m.ReplayLSN, m.ReceiveLSN = f.number("xlog_location"), f.number("replay_lsn"), f.number("receive_lsn")
	m.ReplicationState = f.text("replication_state")
	if tl := f.number("timeline"); tl <= math.MaxUint32 {
		m.Timeline = uint32(tl)
	} else {
		p.add(key, "timeline %d is more than PostgreSQL has", tl)
	}
	m.Pause, _ = f.boolean("pause")
	m.Extra = f.rest()
	return m
}

// parseLegacyMember reads postgres://host:port/db?application_name=api_url.
func parseLegacyMember(m *Member, value string, p *problems) {
	u, err := url.Parse(value)
	if err != nil { // whose text would quote a password
		p.add(MemberKey(m.Name), "the connection URL can't be parsed")
		return
	}
	query := u.Query()
	m.APIURL = query.Get("application_name")
	query.Del("application_name")
	u.RawQuery = query.Encode()
	m.ConnURL = u.String()
}

// object takes a field that is an object.
func (f *fields) object(name string) map[string]any {
	raw, ok := f.take(name)
	if !ok {
		return nil
	}
	value, err := decodeAny(raw)
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		f.odd(name, raw, "an object")
	}
	return object
}

func pendingRestart(f *fields) map[string]PendingChange {
	pending, _ := f.boolean("pending_restart")
	raw, reasoned := f.take("pending_restart_reason")
	if !pending {
		return nil
	}
	changes := map[string]PendingChange{}
	if !reasoned {
		return changes
	}
	settings, ok := decodeObject(raw)
	if !ok {
		f.odd("pending_restart_reason", raw, "an object")
	}
	for setting, raw := range settings {
		var values struct {
			Old json.RawMessage `json:"old_value"`
			New json.RawMessage `json:"new_value"`
		}
		if json.Unmarshal(raw, &values) != nil {
			f.odd("pending_restart_reason", raw, "old and new value of each setting")
		}
		var change PendingChange
		change.Old, _ = scalar(values.Old)
		change.New, _ = scalar(values.New)
		changes[setting] = change
	}
	return changes
}

// MarshalJSON writes the value of the member's key. Name and Written aren't part
// of it.
func (m Member) MarshalJSON() ([]byte, error) {
	var o object
	o.field("conn_url", m.ConnURL)
	o.field("api_url", m.APIURL)
	o.field("state", m.State)
	o.field("role", m.Role)
	o.field("version", m.Version)
	o.text("proxy_url", m.ProxyURL)
	if m.CheckpointAfterPromote != nil {
		o.field("checkpoint_after_promote", *m.CheckpointAfterPromote)
	}
	if len(m.Tags) > 0 {
		o.field("tags", m.Tags)
	}
	if m.PendingRestart != nil {
		o.field("pending_restart", true)
		o.field("pending_restart_reason", m.PendingRestart)
	}
	o.number("xlog_location", m.Location)
	o.number("replay_lsn", m.ReplayLSN)
	o.number("receive_lsn", m.ReceiveLSN)
	o.text("replication_state", m.ReplicationState)
	o.number("timeline", uint64(m.Timeline))
	if len(m.ScheduledRestart) > 0 {
		o.field("scheduled_restart", m.ScheduledRestart)
	}
	if m.Pause {
		o.field("pause", true)
	}
	o.text("regent", m.Regent)
	o.text("problem", m.Problem)
	o.extra(m.Extra)
	return o.bytes()
}
