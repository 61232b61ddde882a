package dcstest

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
)

func (s *suite) ttl(t *testing.T) {
	s.ttlOfResumed(t)
	for name, ttls := range map[string][2]time.Duration{
		"longer":  {s.MinTTL, long},
		"shorter": {long, s.MinTTL},
	} {
		s.in(t, name, func(c *cluster) {
			a, b := c.open("a", ttls[0]), c.open("b", long)
			c.touch(a, dcs.Member{State: "running"})
			first := c.acquire(a)
			lineage := c.read(b).Leader.Lineage
			a.SetTTL(ttls[1])
			if h := c.read(b).Leader; h == nil || h.Grant != first.ID {
				c.Errorf("SetTTL alone made the holder %+v", h)
			}
			l := c.update(a, first, dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any})
			if want := s.lasts(ttls[1]); l.For != want {
				c.Errorf("For is %v, want %v", l.For, want)
			}
			h := c.read(b).Leader
			if h == nil || h.Grant != l.ID || h.Lineage != lineage {
				c.Errorf("the holder is %+v, the lease %+v, the lineage was %s", h, l, lineage)
			}
			c.wantDocument(b, dcs.StatusKey, "s", dcs.Any)
			if l.ID != first.ID {
				_, err := a.UpdateLeader(c.ctx, first)
				c.wantRefused("UpdateLeader of the grant before", err, dcs.ErrLost, "a")
			}
			if next := c.update(a, l); next.ID != l.ID || next.For != l.For {
				c.Errorf("the next renewal made %+v of %+v", next, l)
			}
			c.touch(a, dcs.Member{State: "running"})
			if ttls[1] == s.MinTTL {
				c.waitVanished(b, "a")
				c.waitUnlocked(b)
			}
		})
	}
}

func (s *suite) ttlOfResumed(t *testing.T) {
	s.in(t, "of a resumed grant", func(c *cluster) {
		l := c.acquire(c.open("a", long))
		again := c.open("a", 2*long)
		r, err := again.ResumeLeader(c.ctx, l.ID)
		c.must("ResumeLeader", err)
		want := s.lasts(long)
		if s.ForgetsTTL {
			want = s.lasts(2 * long)
		}
		if r.ID != l.ID || r.For != want {
			c.Errorf("resumed %+v, acquired %+v", r, l)
		}
		lineage := c.read(again).Leader.Lineage
		moved := c.update(again, r)
		if h := c.read(again).Leader; moved.For != s.lasts(2*long) || h.Grant != moved.ID || h.Lineage != lineage {
			c.Errorf("renewed to %+v, the holder is %+v", moved, h)
		}
	})
}

func (s *suite) closing(t *testing.T) {
	s.in(t, "keeps the lease", func(c *cluster) {
		b := c.open("b", long)
		a := s.shared.Open(c, Options{Path: c.path, Name: "a", TTL: long})
		l := c.acquire(a)
		c.touch(a, dcs.Member{State: "running"})
		c.must("Close", a.Close())
		if h := c.read(b).Leader; h == nil || h.Grant != l.ID {
			c.Errorf("after Close the holder is %+v", h)
		}
		if _, err := a.Read(c.ctx); err == nil {
			c.Error("a closed handle reads")
		}
		again := c.open("a", long)
		r, err := again.ResumeLeader(c.ctx, l.ID)
		c.must("ResumeLeader", err)
		c.update(again, r)
	})
}
