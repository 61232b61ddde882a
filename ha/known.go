package ha

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// Membership is who the members of a cluster were.
type Membership struct {
	SystemID string            // of the cluster
	Members  map[string]string // API URLs by name
	// Pledge is how long a pledge of ours may last from now on: the ttl, or what was
	// pledged for longer and isn't over.
	Pledge time.Duration
}

func (m Membership) equal(o Membership) bool {
	return m.SystemID == o.SystemID && m.Pledge == o.Pledge && maps.Equal(m.Members, o.Members)
}

// KnownMembers keeps who the members of the cluster were last. It belongs with the
// data: it must survive a boot, and be gone where the data is. See KnownFile.
type KnownMembers interface {
	// WriteKnown replaces what was written before. It may be lost in a crash, half
	// of it mustn't be there then.
	WriteKnown(m Membership) error
	// ReadKnown returns what was written last; zero: nothing.
	ReadKnown() (Membership, error)
}

// knownBook remembers the members beside the loop: a disk that hangs must not keep
// a leader from renewing.
type knownBook struct {
	agent    *Agent
	recalled bool       // owned by the loop, as what follows
	noted    Membership // as last written or read

	mu      sync.Mutex // guards what follows
	writing bool
	failed  bool // a write has failed, which was said
	group   sync.WaitGroup
}

func (b *knownBook) init(a *Agent) { b.agent = a }

// recall takes up who the members were when the note was written, once we know what
// cluster our data is of. They count as gone since this agent began.
func (b *knownBook) recall() {
	a := b.agent
	id := a.systemID()
	if a.cfg.Known == nil || b.recalled || id == "" {
		return
	}
	b.recalled = true
	m, err := a.cfg.Known.ReadKnown()
	if err != nil {
		a.log.Warn("who the members were can't be read: over an emptied store nobody is waited for who isn't there", "error", err)
		return
	}
	if m.SystemID != id {
		return
	}
	b.noted = m
	a.pledged.lasts(m.Pledge)
	for name, url := range m.Members {
		if _, seen := a.known[name]; !seen && name != a.cfg.Name {
			a.known[name] = dcs.Member{Name: name, APIURL: url, State: dcs.StateUnknown}
		}
	}
}

// note writes down who would be asked in an election, where that has changed. Only
// a cluster that somebody leads counts: an emptied store tells of nobody.
func (b *knownBook) note(ctx context.Context, v view) {
	c, s := v.Store.Cluster, v.Server
	if b.agent.cfg.Known == nil || v.Job.running() {
		return
	}
	if s.SystemID == "" {
		b.noted = Membership{} // it went with the data
		return
	}
	if !v.Store.Fresh || c.Leader == nil || blank(c) || c.Initialize.SystemID != s.SystemID {
		return
	}
	m := Membership{SystemID: s.SystemID, Members: map[string]string{}, Pledge: v.Settings.TTL}
	if v.Pledged.binds(v.Now) {
		m.Pledge = max(m.Pledge, v.Pledged.For)
	}
	for _, member := range electorate(v) {
		if member.APIURL != "" {
			m.Members[member.Name] = member.APIURL
		}
	}
	if !m.equal(b.noted) && b.write(ctx, m) {
		b.noted = m
	}
}

// write begins to write m down, unless a write is under way.
func (b *knownBook) write(ctx context.Context, m Membership) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing || ctx.Err() != nil {
		return false
	}
	b.writing = true
	b.group.Go(func() {
		err := b.agent.cfg.Known.WriteKnown(m)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.writing = false
		if err != nil && !b.failed {
			b.agent.log.Warn("who the members are can't be written down: over an emptied store this member would wait for nobody", "error", err)
		}
		b.failed = err != nil
	})
	return true
}
