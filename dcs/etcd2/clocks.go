package etcd2

import (
	"net/http"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// The end of a key with a TTL is an instant of wall-clock time: the server that is
// asked computes it with its own clock, and the server that leads at that time
// deletes the key when its clock says so. How far servers' clocks lie apart is
// therefore what a grant may be too short by.

// allowance is how much longer the leader key is put for than a lease says. It
// covers clocks that lie apart by less than can be measured: a server's answers
// tell its time in whole seconds.
const allowance = time.Second

// clocks is what the servers' answers said of their wall clocks.
type clocks struct {
	mu   sync.Mutex
	seen map[string]wallClock
	lead time.Duration // by which leases are cut
}

// wallClock is the earliest time that a server's clock can have shown at an instant.
type wallClock struct {
	time time.Time
	at   clock.Instant
}

// note takes down the time in an answer's header Date.
func (c *clocks) note(server, date string, received clock.Instant) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]wallClock{}
	}
	c.seen[server] = wallClock{t, received}
}

// keep forgets servers that there are no more.
func (c *clocks) keep(servers []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := map[string]wallClock{}
	for _, s := range servers {
		if w, ok := c.seen[s]; ok {
			kept[s] = w
		}
	}
	c.seen = kept
}

// ahead is by how much some server's clock is at least ahead of one that showed t
// at an instant, and which.
func (c *clocks) ahead(t time.Time, at clock.Instant) (lead time.Duration, server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, w := range c.seen {
		if l := w.time.Add(at.Sub(w.at)).Sub(t); l > lead {
			lead, server = l, s
		}
	}
	return lead, server
}

// set takes down by how much leases are cut, and says whether that is another second
// than before.
func (c *clocks) set(lead time.Duration) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	news = lead.Round(time.Second) != c.lead.Round(time.Second)
	c.lead = lead
	return news
}

// cut is by how much the last lease was.
func (c *clocks) cut() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lead
}
