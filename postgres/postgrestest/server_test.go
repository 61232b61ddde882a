package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// cluster is servers in a bubble, the first of them a primary that the others follow.
type cluster struct {
	t       *testing.T
	ctx     context.Context
	net     *Network
	servers []*Server
}

func play(t *testing.T, servers int, test func(c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &cluster{t: t, ctx: ctx, net: NewNetwork(GoTime())}
		var group sync.WaitGroup
		group.Go(func() { c.net.Run(ctx) })
		defer group.Wait()
		defer cancel()
		for i := range servers {
			s, err := c.net.NewServer(Options{Name: fmt.Sprintf("s%d", i)})
			c.must(err)
			c.servers = append(c.servers, s)
		}
		primary := c.servers[0]
		c.must(primary.Bootstrap(ctx))
		c.must(primary.StartPrimary(ctx, postgres.NoLease()))
		c.await(primary, "writable", func(l Look) bool { return l.Writable })
		for _, s := range c.servers[1:] {
			c.must(s.Clone(ctx, c.up(primary), nil))
			c.must(s.StartStandby(ctx, c.up(primary)))
			c.await(s, "streaming", func(l Look) bool { return l.Streaming })
		}
		test(c)
	})
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) up(s *Server) postgres.Upstream {
	return postgres.Upstream{Name: s.opts.Name, Host: s.opts.Host, Port: s.opts.Port}
}

func (c *cluster) await(s *Server, what string, cond func(Look) bool) {
	c.t.Helper()
	for range 1000 {
		if cond(s.Look()) {
			return
		}
		time.Sleep(100 * time.Millisecond) // of the bubble: what the condition waits for is time
	}
	c.t.Fatalf("%s never became %s: %+v", s.opts.Name, what, s.Look())
}

func (c *cluster) write(s *Server, text string) Row {
	c.t.Helper()
	row, ok := s.Write(text)
	if !ok {
		c.t.Fatalf("%s acknowledged nothing: %+v", s.opts.Name, s.Look())
	}
	return row
}

// promote makes a standby a primary.
func (c *cluster) promote(s *Server) {
	c.t.Helper()
	c.must(s.Promote(c.ctx, clock.Instant(1<<62)))
	c.await(s, "writable", func(l Look) bool { return l.Writable })
}

func TestStreaming(t *testing.T) {
	play(t, 3, func(c *cluster) {
		row := c.write(c.servers[0], "a")
		for _, s := range c.servers {
			c.await(s, "in step", func(Look) bool { return s.Has(row) })
		}
		st := c.servers[1].Status(c.ctx)
		if st.Role != postgres.RoleReplica || st.ReplicationState() != "streaming" || st.Location != st.Replayed {
			t.Errorf("a standby's status is %+v", st)
		}
		if st = c.servers[0].Status(c.ctx); len(st.Replication) != 2 || st.Role != postgres.RolePrimary {
			t.Errorf("the primary's status is %+v", st)
		}
		if _, ok := c.servers[1].Write("b"); ok {
			t.Error("a standby has acknowledged a row")
		}
	})
}

// TestFastShutdown: no acknowledged row is missing on a standby that streams.
func TestFastShutdown(t *testing.T) {
	play(t, 2, func(c *cluster) {
		primary, standby := c.servers[0], c.servers[1]
		row := c.write(primary, "a")
		c.must(primary.Stop(c.ctx, postgres.Stop{Mode: postgres.StopFast}))
		if !standby.Has(row) || standby.Look().End != primary.Look().End {
			t.Errorf("the standby has WAL up to %d, the stopped primary up to %d", standby.Look().End, primary.Look().End)
		}
		if st := primary.Status(c.ctx); !st.Control.CleanShutdown() || st.State != postgres.StateStopped {
			t.Errorf("a stopped primary's status is %+v", st)
		}
		c.promote(standby)
		a, err := primary.Compare(c.ctx, c.up(standby))
		if err != nil || a.Diverged {
			t.Errorf("compare after a switchover: %+v, %v", a, err)
		}
	})
}

// TestFastShutdownUnreachable: a standby that can't be reached holds the shutdown
// up until somebody escalates.
func TestFastShutdownUnreachable(t *testing.T) {
	play(t, 2, func(c *cluster) {
		primary := c.servers[0]
		c.net.Cut("s0", "s1")
		before := time.Now()
		c.must(primary.Stop(c.ctx, postgres.Stop{Mode: postgres.StopFast, Escalate: 3 * time.Second}))
		if took := time.Since(before); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if primary.Status(c.ctx).Control.CleanShutdown() {
			t.Error("an immediate shutdown counts as clean")
		}
	})
}

func TestCrashRecovery(t *testing.T) {
	play(t, 1, func(c *cluster) {
		s := c.servers[0]
		row := c.write(s, "a")
		s.Kill()
		<-s.Exited()
		if st := s.Status(c.ctx); st.PID != 0 || st.Control.State != inProduction {
			t.Errorf("a killed primary's status is %+v", st)
		}
		if err := s.Rewind(c.ctx, c.up(s)); err == nil {
			t.Error("rewound from a server that doesn't run")
		}
		c.must(s.StartPrimary(c.ctx, postgres.NoLease()))
		c.await(s, "writable", func(l Look) bool { return l.Writable })
		if !s.Has(row) || s.Look().Timeline != 1 {
			t.Errorf("after crash recovery: %+v", s.Look())
		}
	})
}

// TestDivergence: what a primary wrote that its successor lacks is found, and
// goes with a rewind.
func TestDivergence(t *testing.T) {
	play(t, 2, func(c *cluster) {
		former, primary := c.servers[0], c.servers[1]
		c.net.Cut("s0", "s1")
		lost := c.write(former, "lost")
		former.Kill()
		c.promote(primary)
		kept := c.write(primary, "kept")
		c.net.Heal("s0", "s1")
		if _, err := former.Compare(c.ctx, c.up(primary)); !errors.Is(err, postgres.ErrNeedsRecovery) {
			t.Errorf("compare before crash recovery: %v", err)
		}
		c.must(former.Recover(c.ctx))
		a, err := former.Compare(c.ctx, c.up(primary))
		if err != nil || !a.Diverged || a.Fork == 0 {
			t.Fatalf("compare: %+v, %v", a, err)
		}
		c.must(former.StartStandby(c.ctx, c.up(primary)))
		time.Sleep(20 * time.Second)
		if l := former.Look(); l.Streaming {
			t.Error("a diverged standby streams")
		}
		c.must(former.Stop(c.ctx, postgres.Stop{Mode: postgres.StopFast}))
		c.must(former.Rewind(c.ctx, c.up(primary)))
		c.must(former.StartStandby(c.ctx, c.up(primary)))
		c.await(former, "streaming", func(l Look) bool { return l.Streaming })
		if former.Has(lost) || !former.Has(kept) {
			t.Errorf("after the rewind it has lost %t, kept %t", former.Has(lost), former.Has(kept))
		}
	})
}

// TestSameNumberTwice: two servers that were promoted by themselves are both on
// timeline 2, and not the same.
func TestSameNumberTwice(t *testing.T) {
	play(t, 3, func(c *cluster) {
		c.servers[0].Kill()
		c.promote(c.servers[1])
		c.promote(c.servers[2])
		if a, b := c.servers[1].Look(), c.servers[2].Look(); a.Timeline != 2 || b.Timeline != 2 {
			t.Fatalf("they are on %d and %d", a.Timeline, b.Timeline)
		}
		c.must(c.servers[2].Stop(c.ctx, postgres.Stop{}))
		if a, err := c.servers[2].Compare(c.ctx, c.up(c.servers[1])); err != nil || !a.Diverged {
			t.Errorf("compare: %+v, %v", a, err)
		}
	})
}

// TestInterrupted: a clone and a rewind that don't get done leave a directory
// that is plainly marked.
func TestInterrupted(t *testing.T) {
	play(t, 2, func(c *cluster) {
		primary, standby := c.servers[0], c.servers[1]
		c.must(standby.Stop(c.ctx, postgres.Stop{}))
		ctx, cancel := context.WithTimeout(c.ctx, 100*time.Millisecond)
		defer cancel()
		if err := standby.Rewind(ctx, c.up(primary)); err == nil {
			t.Error("a rewind was done in no time")
		}
		if st := standby.Status(c.ctx); st.Data != postgres.DataIncomplete {
			t.Errorf("after half a rewind the data directory is %s", st.Data)
		}
		if err := standby.StartStandby(c.ctx, c.up(primary)); err == nil {
			t.Error("half a data directory was started")
		}
		go func() {
			time.Sleep(time.Second)
			primary.Kill()
		}()
		if err := standby.Clone(c.ctx, c.up(primary), nil); err == nil {
			t.Error("cloned from a server that died")
		}
		if st := standby.Status(c.ctx); st.Data != postgres.DataIncomplete {
			t.Errorf("after half a clone the data directory is %s", st.Data)
		}
	})
}

func TestReplayDelay(t *testing.T) {
	play(t, 2, func(c *cluster) {
		standby := c.servers[1]
		standby.DelayReplay(30 * time.Second)
		row := c.write(c.servers[0], "a")
		c.await(standby, "in step", func(Look) bool { return standby.Has(row) })
		if st := standby.Status(c.ctx); st.Replayed >= st.Received {
			t.Errorf("replayed %s of %s", st.Replayed, st.Received)
		}
		c.servers[0].Kill()
		before := time.Now()
		c.promote(standby)
		if took := time.Since(before); took < 30*time.Second {
			t.Errorf("promoted after %v, with 30 s left to replay", took)
		}
		if !standby.Has(row) {
			t.Error("a row that was received is gone")
		}
	})
}

func TestFullDisk(t *testing.T) {
	play(t, 2, func(c *cluster) {
		s := c.servers[0]
		s.FillDisk(true)
		if _, ok := s.Write("a"); ok {
			t.Error("a full disk has acknowledged a row")
		}
		c.must(s.StartPrimary(c.ctx, postgres.NoLease()))
		c.await(s, "dead", func(l Look) bool { return l.Process == 0 })
		s.FillDisk(false)
		c.must(s.StartPrimary(c.ctx, postgres.NoLease()))
		c.await(s, "writable", func(l Look) bool { return l.Writable })
	})
}

func TestHang(t *testing.T) {
	play(t, 1, func(c *cluster) {
		s := c.servers[0]
		s.Hang()
		if st := s.Status(c.ctx); st.State != postgres.StateUnknown || st.Answers {
			t.Errorf("a hung server's status is %+v", st)
		}
		if !s.Writable() {
			t.Error("the sessions of a hung postmaster can't write any more")
		}
		c.must(s.Stop(c.ctx, postgres.Stop{Mode: postgres.StopFast, Escalate: time.Second}))
		if s.Look().Process != 0 {
			t.Error("it was stopped and runs")
		}
	})
}

func TestPermit(t *testing.T) {
	play(t, 1, func(c *cluster) {
		s := c.servers[0]
		c.must(s.Stop(c.ctx, postgres.Stop{}))
		late := postgres.Permit{Number: 1, NotAfter: s.clock.Now() - 1}
		if err := s.StartPrimary(c.ctx, late); !errors.Is(err, postgres.ErrNotPermitted) {
			t.Errorf("started after the end of its permit: %v", err)
		}
	})
}
