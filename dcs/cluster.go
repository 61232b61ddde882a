package dcs

import "github.com/regent-ha/regent/clock"

// Cluster is the typed view of one Snapshot. What couldn't be parsed is absent
// from it and named in Problems; a value that is odd never makes the cluster
// look absent.
type Cluster struct {
	Sent       clock.Instant // read just before the first request was sent
	Leader     *Holder       // nil: nobody holds the leader key
	Initialize Initialized
	Config     Configuration
	Members    []Member // sorted by name
	Status     Status
	Failover   Failover
	Sync       Sync
	History    History
	Failsafe   Failsafe
	Problems   []string // one line for each value that isn't what the layout says; sorted
}

// Member is the entry of the member of that name.
func (c Cluster) Member(name string) (Member, bool) {
	for _, m := range c.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// Unlocked says that nobody holds the leader key.
func (c Cluster) Unlocked() bool { return c.Leader == nil }

// LeaderName is who holds the leader key; empty: nobody.
func (c Cluster) LeaderName() string {
	if c.Leader == nil {
		return ""
	}
	return c.Leader.Name
}

// LeaderMember is the entry of who holds the leader key; one with nothing but a
// name if it has none. Nobody leads if ok is false.
func (c Cluster) LeaderMember() (m Member, ok bool) {
	if c.Leader == nil {
		return Member{}, false
	}
	if m, ok = c.Member(c.Leader.Name); !ok {
		m = Member{Name: c.Leader.Name, State: StateUnknown}
	}
	return m, true
}

// Timeline is the cluster's latest timeline; see History.Timeline.
func (c Cluster) Timeline() (tl uint32, known bool) { return c.History.Timeline() }
