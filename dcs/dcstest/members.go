package dcstest

import (
	"fmt"
	"testing"

	"github.com/regent-ha/regent/dcs"
)

func (s *suite) members(t *testing.T) {
	member := dcs.Member{State: "running", Role: "replica", ConnURL: "postgres://127.0.0.1:5432/postgres", Location: 1 << 40, Tags: dcs.Tags{"x": "y"}}
	s.in(t, "are read as they were touched", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		c.touch(a, member)
		got, ok := dcs.ParseCluster(c.read(b)).Member("a")
		if !ok || got.ConnURL != member.ConnURL || got.Location != member.Location || got.Tags["x"] != "y" {
			c.Errorf("got %+v", got)
		}
		changed := member
		changed.State = "stopped"
		c.touch(a, changed)
		if got, _ := dcs.ParseCluster(c.read(b)).Member("a"); got.State != "stopped" {
			c.Errorf("after a change: %+v", got)
		}
	})
	s.in(t, "vanish unless touched", func(c *cluster) {
		a, b, o := c.open("a", s.MinTTL), c.open("b", s.MinTTL), c.open("", long)
		c.touch(a, member)
		for end := c.now().Add(2*s.MinTTL + s.Late); c.now().Before(end); {
			c.touch(b, member)
			if _, ok := c.read(o).Documents[dcs.MemberKey("b")]; !ok {
				c.Fatal("an entry that is touched again and again is gone")
			}
			c.sleepUntil(c.now().Add(s.MinTTL / 5))
		}
		c.waitVanished(o, "a")
		c.touch(a, member) // its grant is gone: it needs another
		c.waitMember(o, "a", true)
		c.waitVanished(o, "b")
	})
	s.in(t, "come back when touched unchanged after a removal", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		c.touch(a, member)
		c.must("Delete", b.Delete(c.ctx, dcs.MemberKey("a"), dcs.Any))
		c.waitMember(b, "a", false)
		c.touch(a, member)
		c.waitMember(b, "a", true)
	})
	s.in(t, "come back after a removal while their member watches", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		c.wantHint(a.Watch(c.ctx), "the watch stands")
		c.touch(a, member)
		harms := map[string]func(){
			"a removal": func() { c.must("Delete", b.Delete(c.ctx, dcs.MemberKey("a"), dcs.Any)) },
			"a change":  func() { c.put(b, dcs.Write{Key: dcs.MemberKey("a"), Value: []byte("{}"), Prev: dcs.Any}) },
		}
		if s.EntriesStay { // nobody writes another's entry there
			delete(harms, "a change")
		}
		for what, harm := range harms {
			c.read(a)
			c.touch(a, member)
			if !s.Unproven {
				from, until := a.Quiet()
				c.eventually("more silence to be proven", func() error {
					c.touch(a, member)
					if _, now := a.Quiet(); !now.After(until) {
						return fmt.Errorf("from %v until %v, as before", from, now)
					}
					return nil
				})
			}
			harm()
			c.eventually("the entry to come back after "+what, func() error {
				c.touch(a, member)
				if got, _ := dcs.ParseCluster(c.read(b)).Member("a"); got.ConnURL != member.ConnURL {
					return fmt.Errorf("it is %+v", got)
				}
				return nil
			})
		}
	})
	s.in(t, "are taken over by a restarted agent", func(c *cluster) {
		old, again, o := c.open("a", s.MinTTL), c.open("a", long), c.open("", long)
		c.touch(old, member)
		c.touch(again, member)
		c.sleepUntil(c.now().Add(s.MinTTL + s.Late))
		c.waitMember(o, "a", true)
	})
	s.in(t, "never extend the leader's lease", func(c *cluster) {
		a, b := c.open("a", s.MinTTL), c.open("b", long)
		c.touch(a, member)
		c.acquire(a)
		c.eventually("the leader key to end while its holder's entry is touched", func() error {
			c.touch(a, member)
			if h := c.read(b).Leader; h != nil {
				return dcs.ErrHeld
			}
			return nil
		})
		c.touch(a, member)
		c.waitMember(b, "a", true)
	})
}
