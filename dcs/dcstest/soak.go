package dcstest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// soakVar, in the environment, is how many renewals Soak makes.
const soakVar = "REGENT_SOAK"

const (
	// soakRenewals are enough to see what each of them leaves behind.
	soakRenewals = 2000
	// renewalsPerReconnect is how many renewals there are for each time that
	// the connections end, or a handle does.
	renewalsPerReconnect = 100
	// mayGrow is what pools, tables and their like may add to the heap after the
	// first tenth; it is less than a few bytes for each renewal of a long run.
	mayGrow = 1 << 20
	// mayStart is how many goroutines two connections more of a pool need, of which
	// each has two in the client and up to four in the test's link. One that is
	// left behind by each reconnect makes more of them in the shortest run.
	mayStart = 12
)

// Soak renews, reconnects, opens and closes again and again, and wants that
// nothing piles up: no memory, no goroutine, and nothing in the store once a
// handle's TTL is over. It makes some thousands of renewals, or as many as
// REGENT_SOAK says, and must not run beside other tests.
func Soak(t *testing.T, h Harness) {
	renewals := soakRenewals
	if text := os.Getenv(soakVar); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 {
			t.Fatalf("%s is %q: it must be a whole number of at least 1000", soakVar, text)
		}
		renewals = n
	}
	s := newSuite(t, h)
	c := s.cluster(t, s.shared)
	c.ctx = t.Context()
	if c.store.OpenLinked != nil {
		t.Run("renewals and reconnects", func(t *testing.T) { c.on(t).soakLink(renewals) })
	} else {
		t.Run("renewals", func(t *testing.T) { c.on(t).soakHandle(renewals) })
	}
	t.Run("handles", func(t *testing.T) { c.on(t).soakHandles(renewals / renewalsPerReconnect) })
	t.Run("nothing is left", func(t *testing.T) { c.on(t).nothingIsLeft() })
}

// on is the same cluster for a part of its test.
func (c *cluster) on(t *testing.T) *cluster {
	part := *c
	part.T, part.ctx = t, t.Context()
	return &part
}

// soakHandle renews by a handle whose link stands.
func (c *cluster) soakHandle(renewals int) {
	c.soaked(c.open("a", long), renewals, func(dcs.DCS) {})
}

// soakLink renews by a handle whose connections end again and again.
func (c *cluster) soakLink(renewals int) {
	a, link := c.openLinked("a", long)
	hints := a.Watch(c.ctx)
	c.wantHint(hints, "the watch stands")
	n := 0
	c.soaked(a, renewals, func(a dcs.DCS) {
		link.Close()
		link.Heal()
		c.read(a)
		c.settleAtOnce(hints)
		n++
		c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: fmt.Append(nil, n), Prev: dcs.Any})
		c.wantHint(hints, "the watch stands again")
	})
}

// settleAtOnce takes the hint that waits, if one does.
func (c *cluster) settleAtOnce(hints <-chan struct{}) {
	select {
	case <-hints:
	default:
	}
}

// soaked measures after a tenth of the renewals, and at the end.
func (c *cluster) soaked(a dcs.DCS, renewals int, reconnect func(dcs.DCS)) {
	l, start := c.acquire(a), time.Now()
	var first footprint
	for n := range renewals {
		var docs []dcs.Write
		if n%10 == 0 {
			docs = []dcs.Write{{Key: dcs.StatusKey, Value: fmt.Append(nil, n), Prev: dcs.Any}}
			c.touch(a, dcs.Member{State: "running", Timeline: uint32(n % 3)})
		}
		l = c.update(a, l, docs...)
		if n%renewalsPerReconnect == renewalsPerReconnect-1 {
			reconnect(a)
		}
		if n == renewals/10 {
			first = footprintNow()
		}
	}
	c.stillAsSmall(first)
	c.Logf("%d renewals in %v: %v after a tenth, %v at the end", renewals, time.Since(start).Round(time.Millisecond), first, footprintNow())
	c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, l))
}

// soakHandles opens handles, has each live a little, and closes them.
func (c *cluster) soakHandles(n int) {
	n = max(n, 20)
	var first footprint
	for i := range n {
		d := c.store.Open(c, Options{Path: c.path, Name: "a", TTL: long})
		l := c.acquire(d)
		c.touch(d, dcs.Member{State: "running"})
		l = c.update(d, l)
		c.must("ReleaseLeader", d.ReleaseLeader(c.ctx, l))
		c.must("Close", d.Close())
		if i == n/10 {
			first = footprintNow()
		}
	}
	c.stillAsSmall(first)
	c.Logf("%d handles: %v after a tenth, %v at the end", n, first, footprintNow())
}

// nothingIsLeft closes a handle that holds all that it can.
func (c *cluster) nothingIsLeft() {
	observer := c.open("", long)
	c.read(observer) // with whatever it needs for that
	before := c.left()
	d := c.store.Open(c, Options{Path: c.path, Name: "b", TTL: c.suite.MinTTL})
	c.touch(d, dcs.Member{State: "running"})
	c.acquire(d)
	if c.store.Left != nil && len(c.left()) <= len(before) {
		c.Errorf("a handle that holds the leader key has nothing in the store: %v", c.left())
	}
	c.must("Close", d.Close())
	c.waitUnlocked(observer)
	if !c.suite.EntriesStay {
		c.waitMember(observer, "b", false)
	}
	c.eventually("what the handle had to end", func() error {
		for _, name := range c.left() {
			if !slices.Contains(before, name) {
				return fmt.Errorf("%s is still there", name)
			}
		}
		return nil
	})
}

func (c *cluster) left() []string {
	if c.store.Left == nil {
		return nil
	}
	return c.store.Left(c)
}

// footprint is what this process needs.
type footprint struct {
	heap       uint64 // bytes in use, garbage collected
	goroutines int
}

func footprintNow() footprint {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools had kept over the first
	runtime.ReadMemStats(&m)
	return footprint{m.HeapAlloc, runtime.NumGoroutine()}
}

func (f footprint) String() string {
	return fmt.Sprintf("%d KiB, %d goroutines", f.heap>>10, f.goroutines)
}

// stillAsSmall waits until nothing more is needed than at first.
func (c *cluster) stillAsSmall(first footprint) {
	c.Helper()
	c.eventually("memory and goroutines to be what they were", func() error {
		now := footprintNow()
		if now.heap > first.heap+mayGrow || now.goroutines > first.goroutines+mayStart {
			return fmt.Errorf("%v after a tenth, %v now", first, now)
		}
		return nil
	})
}
