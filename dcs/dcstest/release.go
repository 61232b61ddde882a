package dcstest

import (
	"fmt"
	"testing"

	"github.com/regent-ha/regent/dcs"
)

func (s *suite) release(t *testing.T) {
	s.in(t, "ends the key and writes documents", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("last"), Prev: dcs.Any}))
		if h := c.read(b).Leader; h != nil {
			c.Errorf("the holder is %+v", h)
		}
		c.wantDocument(b, dcs.StatusKey, "last", dcs.Any)
		_, err := a.UpdateLeader(c.ctx, l)
		c.wantRefused("UpdateLeader after it", err, dcs.ErrLost, "")
		_, err = a.ResumeLeader(c.ctx, l.ID)
		c.wantRefused("ResumeLeader after it", err, dcs.ErrLost, "")
		c.wantRefused("a second release", a.ReleaseLeader(c.ctx, l), dcs.ErrLost, "")
	})
	s.in(t, "of an old grant leaves a later one alone", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		old := c.acquire(a)
		c.waitUnlocked(b)
		again := c.open("a", long)
		l := c.acquire(again)
		write := dcs.Write{Key: dcs.StatusKey, Value: []byte("late"), Prev: dcs.Any}
		c.wantRefused("by the old handle", a.ReleaseLeader(c.ctx, old, write), dcs.ErrLost, "a")
		c.wantRefused("by the new handle", again.ReleaseLeader(c.ctx, old, write), dcs.ErrLost, "a")
		if doc, ok := c.read(b).Documents[dcs.StatusKey]; ok {
			c.Errorf("a refused release wrote %q", doc.Value)
		}
		c.update(again, l)
	})
	s.in(t, "a conflict releases and writes nothing", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		l := c.acquire(a)
		l = c.update(a, l, dcs.Write{Key: dcs.SyncKey, Value: []byte("1"), Prev: dcs.Absent})
		err := a.ReleaseLeader(c.ctx, l,
			dcs.Write{Key: dcs.StatusKey, Value: []byte("s"), Prev: dcs.Any},
			dcs.Write{Key: dcs.SyncKey, Value: []byte("2"), Prev: dcs.Absent})
		c.wantConflict("ReleaseLeader", err)
		c.wantDocument(b, dcs.SyncKey, "1", dcs.Any)
		if _, ok := c.read(b).Documents[dcs.StatusKey]; ok {
			c.Error("status was written beside a conflict")
		}
		c.acquire(b)
	})
}

func (s *suite) resume(t *testing.T) {
	s.in(t, "with its id", func(c *cluster) {
		a := c.open("a", long)
		l := c.acquire(a)
		again, before := c.open("a", long), c.now()
		r, err := again.ResumeLeader(c.ctx, l.ID)
		c.must("ResumeLeader", err)
		c.checkLease(r, before)
		if r.ID != l.ID || r.For != l.For {
			c.Errorf("resumed %+v, acquired %+v", r, l)
		}
		c.update(again, r)
	})
	s.in(t, "is refused without it", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		old := c.acquire(a)
		c.must("ReleaseLeader", a.ReleaseLeader(c.ctx, old))
		l := c.acquire(a)
		for _, id := range []string{"", "0", "nonsense", old.ID} {
			_, err := c.open("a", long).ResumeLeader(c.ctx, id)
			c.wantRefused(fmt.Sprintf("the same name with id %q", id), err, dcs.ErrLost, "a")
		}
		_, err := b.ResumeLeader(c.ctx, l.ID)
		c.wantRefused("another name with the id", err, dcs.ErrLost, "a")
		c.update(a, l)
	})
	s.in(t, "is refused after expiry", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		l := c.acquire(a)
		c.waitUnlocked(b)
		_, err := c.open("a", long).ResumeLeader(c.ctx, l.ID)
		c.wantRefused("ResumeLeader", err, dcs.ErrLost, "")
	})
}
