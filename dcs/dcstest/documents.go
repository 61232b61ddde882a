package dcstest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/regent-ha/regent/dcs"
)

func (s *suite) documents(t *testing.T) {
	s.in(t, "an empty cluster reads as empty", func(c *cluster) {
		before := c.now()
		got := c.read(c.open("a", long))
		if got.Leader != nil || len(got.Documents) > 0 {
			c.Errorf("got %+v", got)
		}
		if got.Sent.Before(before) || got.Sent.After(c.now()) {
			c.Errorf("Sent is %v after the call began", got.Sent.Sub(before))
		}
	})
	s.in(t, "what one puts another reads", func(c *cluster) {
		a, b := c.open("a", long), c.open("b", long)
		v := c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte(`{"ttl":30}`), Prev: dcs.Any})
		c.wantDocument(b, dcs.ConfigKey, `{"ttl":30}`, v)
	})
	s.in(t, "put conditions", putConditions)
	s.in(t, "delete conditions", deleteConditions)
	s.in(t, "a race to create has one winner", func(c *cluster) {
		const racers = 4
		won := make(chan string, racers)
		var racing []func()
		for i := range racers {
			name := string(rune('a' + i))
			d := c.open(name, long)
			racing = append(racing, func() {
				switch _, err := d.Put(c.ctx, dcs.Write{Key: dcs.InitializeKey, Value: []byte{}, Prev: dcs.Absent}); {
				case err == nil:
					won <- name
				case !errors.Is(err, dcs.ErrConflict):
					c.Errorf("%s: %v", name, err)
				}
			})
		}
		parallel(racing...)
		if len(won) != 1 {
			c.Errorf("%d winners", len(won))
		}
	})
	s.in(t, "removing the cluster leaves its neighbours", removeCluster)
}

func (c *cluster) wantDocument(d dcs.DCS, key dcs.Key, value string, v dcs.Version) {
	c.Helper()
	doc, ok := c.read(d).Documents[key]
	if !ok || string(doc.Value) != value {
		c.Errorf("%s is %q (there: %v), want %q", key, doc.Value, ok, value)
	}
	if v != dcs.Any && doc.Version != v {
		c.Errorf("%s has version %q, want %q, which its writer got", key, doc.Version, v)
	}
}

func (c *cluster) wantConflict(what string, err error) {
	c.Helper()
	if !errors.Is(err, dcs.ErrConflict) {
		c.Errorf("%s: got %v, want ErrConflict", what, err)
	}
}

func putConditions(c *cluster) {
	a, b := c.open("a", long), c.open("b", long)
	write := func(value string, prev dcs.Version) dcs.Write {
		return dcs.Write{Key: dcs.FailoverKey, Value: []byte(value), Prev: prev}
	}
	first := c.put(a, write("1", dcs.Absent))
	_, err := b.Put(c.ctx, write("2", dcs.Absent))
	c.wantConflict("Put Absent on a key that is there", err)
	second := c.put(b, write("2", first))
	if first == second {
		c.Errorf("both writes have version %q", first)
	}
	_, err = a.Put(c.ctx, write("3", first))
	c.wantConflict("Put on an old version", err)
	c.wantDocument(a, dcs.FailoverKey, "2", second)
	third := c.put(a, write("2", second)) // the same value
	_, err = b.Put(c.ctx, write("4", second))
	c.wantConflict("Put on the version before a write of the same value", err)
	c.put(b, write("5", dcs.Any))
	_, err = a.Put(c.ctx, write("6", third))
	c.wantConflict("Put on the version before an unconditional write", err)
	c.must("Delete", a.Delete(c.ctx, dcs.FailoverKey, dcs.Any))
	_, err = a.Put(c.ctx, write("7", third))
	c.wantConflict("Put on a version of a deleted key", err)
	c.put(a, write("8", dcs.Absent))
}

func deleteConditions(c *cluster) {
	a, b := c.open("a", long), c.open("b", long)
	c.must("Delete of an absent key", a.Delete(c.ctx, dcs.ConfigKey, dcs.Any))
	first := c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("1"), Prev: dcs.Any})
	second := c.put(b, dcs.Write{Key: dcs.ConfigKey, Value: []byte("2"), Prev: dcs.Any})
	c.wantConflict("Delete on an old version", a.Delete(c.ctx, dcs.ConfigKey, first))
	c.wantConflict("Delete Absent on a key that is there", a.Delete(c.ctx, dcs.ConfigKey, dcs.Absent))
	c.wantDocument(a, dcs.ConfigKey, "2", second)
	c.must("Delete", a.Delete(c.ctx, dcs.ConfigKey, second))
	c.wantConflict("Delete on a version of a deleted key", b.Delete(c.ctx, dcs.ConfigKey, second))
	v := c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte("3"), Prev: dcs.Absent})
	_, err := b.Put(c.ctx, dcs.Write{Key: dcs.ConfigKey, Prev: v}) // nil deletes
	c.must("Put of nil", err)
	if _, ok := c.read(a).Documents[dcs.ConfigKey]; ok {
		c.Error("the key is there after Put of nil")
	}
}

func removeCluster(c *cluster) {
	neighbour := *c
	neighbour.path.Scope += "-neighbour" // of which c's path is a prefix, but for the slash
	a, b := c.open("a", long), neighbour.open("b", long)
	for _, d := range []dcs.DCS{a, b} {
		c.put(d, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
		c.touch(d, dcs.Member{State: "running"})
	}
	l := c.acquire(a)
	lb := c.acquire(b)
	c.must("RemoveCluster", c.open("", long).RemoveCluster(c.ctx))
	if got := c.read(a); got.Leader != nil || len(got.Documents) > 0 {
		c.Errorf("after RemoveCluster: %+v", got)
	}
	if got := c.read(b); got.Leader == nil || len(got.Documents) != 2 {
		c.Errorf("the neighbour is %+v", got)
	}
	_, err := a.UpdateLeader(c.ctx, l)
	if c.suite.GoneIsUnknown {
		c.wantUnknown("UpdateLeader", err)
	} else {
		c.wantRefused("UpdateLeader", err, dcs.ErrLost, "")
	}
	c.update(b, lb)
	c.touch(a, dcs.Member{State: "running"})
	c.waitMember(a, "a", true)
}

func (s *suite) values(t *testing.T) {
	for name, value := range map[string]string{
		"empty":   "",
		"unicode": "{\"name\":\"Zürich \u65e5\u672c \U0001f418\",\"x\":\"\\n\\u0000\"}",
		"lines":   "a\nb\r\n\tc \n",
		"largest": strings.Repeat("0123456789abcdef", (s.Largest+15)/16)[:s.Largest],
	} {
		s.in(t, name, func(c *cluster) {
			a, b := c.open("a", long), c.open("b", long)
			v := c.put(a, dcs.Write{Key: dcs.ConfigKey, Value: []byte(value), Prev: dcs.Absent})
			doc := c.read(b).Documents[dcs.ConfigKey]
			if !bytes.Equal(doc.Value, []byte(value)) || doc.Version != v {
				c.Errorf("%d bytes came back as %d; version %q as %q", len(value), len(doc.Value), v, doc.Version)
			}
			l := c.acquire(a)
			c.update(a, l, dcs.Write{Key: dcs.StatusKey, Value: []byte(value), Prev: dcs.Absent})
			c.wantDocument(b, dcs.StatusKey, value, dcs.Any)
		})
	}
	s.in(t, "member names", func(c *cluster) {
		for _, name := range s.Names {
			c.touch(c.open(name, long), dcs.Member{State: "running", APIURL: name})
		}
		for _, m := range dcs.ParseCluster(c.read(c.open("", long))).Members {
			if m.APIURL != m.Name {
				c.Errorf("the entry of %q is that of %q", m.Name, m.APIURL)
			}
		}
		if n := len(c.read(c.open("", long)).Documents); n != len(s.Names) {
			c.Errorf("%d entries, want %d", n, len(s.Names))
		}
	})
}

func (s *suite) observer(t *testing.T) {
	s.in(t, "reads and writes documents, and leads nothing", func(c *cluster) {
		o, a := c.open("", long), c.open("a", long)
		l := c.acquire(a)
		v := c.put(o, dcs.Write{Key: dcs.FailoverKey, Value: []byte("{}"), Prev: dcs.Absent})
		c.wantDocument(a, dcs.FailoverKey, "{}", v)
		c.must("Delete", o.Delete(c.ctx, dcs.FailoverKey, v))
		_, acquired := o.AttemptToAcquireLeader(c.ctx)
		_, updated := o.UpdateLeader(c.ctx, l)
		_, resumed := o.ResumeLeader(c.ctx, l.ID)
		for verb, err := range map[string]error{
			"AttemptToAcquireLeader": acquired, "UpdateLeader": updated, "ResumeLeader": resumed,
			"ReleaseLeader": o.ReleaseLeader(c.ctx, l), "Touch": o.Touch(c.ctx, dcs.Member{}),
		} {
			if !errors.Is(err, dcs.ErrObserver) {
				c.Errorf("%s: got %v, want ErrObserver", verb, err)
			}
		}
		c.update(a, l)
	})
}
