package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// patience bounds what must happen at all; how soon is asserted by instants.
const patience = 60 * time.Second

// storeVar names the kind of store that scenes are played on which don't say
// which, to see by hand what they make of another. Some count on etcd's short
// leases.
const storeVar = "REGENT_TEST_STORE"

// scene is a cluster under test with its writers.
type scene struct {
	*lab.Lab
	t       *testing.T
	ctx     context.Context
	writers []*lab.Writer
	began   clock.Instant
}

// newLab makes a lab that isn't started yet.
func newLab(t *testing.T, o lab.Options) *scene {
	t.Helper()
	o.Regent = os.Getenv(daemonVar)
	if o.PostgresBin == "" {
		o.PostgresBin = testenv.PostgresBin(t)
	}
	if o.Store == nil {
		o.Store = findStore(t, cmp.Or(os.Getenv(storeVar), "etcd"))
	}
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Lab: l, t: t, ctx: t.Context()}
	t.Cleanup(func() {
		if t.Failed() {
			s.tellLogs()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start starts a cluster and returns it with its leader.
func start(t *testing.T, o lab.Options) (*scene, *lab.Node) {
	t.Helper()
	s := newLab(t, o)
	for _, begin := range []func(context.Context) error{s.Store.Start, s.Start} { // each has its time
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := begin(ctx)
		cancel()
		s.must(err)
	}
	s.until("the cluster to be finished", func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err == nil && !dcs.ValidSystemID(c.Initialize.SystemID) {
			err = errors.New("the store doesn't name it yet")
		}
		return err
	})
	return s, s.leader()
}

// write starts a client and a probe on each node.
func (s *scene) write() {
	s.t.Helper()
	s.must(s.CreateTable(s.ctx))
	s.writers = append(s.StartProbes(), s.StartClient())
	s.awaitWrites()
	s.began = clock.System().Now()
}

// awaitWrites waits until the client has had a row acknowledged from now on.
func (s *scene) awaitWrites() {
	s.t.Helper()
	from := clock.System().Now()
	client := s.writers[len(s.writers)-1]
	s.until("an acknowledged write", func(context.Context) error {
		if lab.Recorded(client).Since(from).Acked() == 0 {
			return fmt.Errorf("none since; the client's last error: %v", client.LastError())
		}
		return nil
	})
}

// judge ends the writers and checks what they saw: never two primaries, and no
// acknowledged row lost, unless a few may be.
func (s *scene) judge(mayLose bool) lab.History {
	s.t.Helper()
	s.healthy()
	s.awaitWrites()
	for _, w := range s.writers {
		w.Stop()
	}
	return s.checkRows(mayLose)
}

// checkRows checks what the writers have seen so far.
func (s *scene) checkRows(mayLose bool) lab.History {
	s.t.Helper()
	h := lab.Recorded(s.writers...)
	if overlaps := h.Overlaps(); len(overlaps) > 0 {
		s.t.Errorf("two primaries for %v: %d writes, the first %+v", lab.TwoPrimaries(overlaps), len(overlaps), overlaps[0])
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	lost, err := s.Lost(ctx, h)
	s.must(err)
	if len(lost) > 0 && !mayLose {
		s.t.Errorf("%d of %d acknowledged rows are lost, the first: %+v", len(lost), h.Acked(), lost[0])
	}
	s.t.Logf("%d rows acknowledged, %d lost, longest gap of the client %v", h.Acked(), len(lost), s.gap().Round(time.Millisecond))
	return h
}

// gap is the client's longest time without an acknowledgement since the writers began.
func (s *scene) gap() time.Duration {
	return lab.Recorded(s.writers[len(s.writers)-1]).LongestGap(s.began, clock.System().Now())
}

// findStore is a kind of store, with its programs.
func findStore(t *testing.T, name string) lab.StoreKind {
	t.Helper()
	store, err := lab.FindStore(name, "")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) until(what string, check func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	s.must(lab.Until(ctx, what, check))
}

func (s *scene) leader() *lab.Node {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	n, err := s.WaitLeader(ctx)
	s.must(err)
	return n
}

// otherLeads waits until another node than old takes writes as leader.
func (s *scene) otherLeads(old *lab.Node) (leader *lab.Node) {
	s.t.Helper()
	s.until("another leader than "+old.Name, func(ctx context.Context) (err error) {
		if leader, err = s.Leader(ctx); err == nil && leader == old {
			err = fmt.Errorf("%s still leads", old.Name)
		}
		return err
	})
	return leader
}

func (s *scene) healthy() *lab.Node {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	n, err := s.WaitHealthy(ctx)
	s.must(err)
	return n
}

// others are all nodes but one.
func (s *scene) others(but *lab.Node) []*lab.Node {
	var out []*lab.Node
	for _, n := range s.Nodes {
		if n != but {
			out = append(out, n)
		}
	}
	return out
}

// awaitLog waits for a line in a node's log.
func (s *scene) awaitLog(n *lab.Node, pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	s.until("the log of "+n.Name+" to say "+pattern, func(context.Context) error {
		text, err := os.ReadFile(n.Log)
		if err == nil && !re.Match(text) {
			err = fmt.Errorf("it doesn't")
		}
		return err
	})
}

// logged is how many lines of a node's log match.
func (s *scene) logged(n *lab.Node, pattern string) int {
	s.t.Helper()
	text, err := os.ReadFile(n.Log)
	s.must(err)
	return len(regexp.MustCompile(pattern).FindAll(text, -1))
}

// memberSays waits until a node's entry satisfies check.
func (s *scene) memberSays(n *lab.Node, what string, check func(state, role, problem string) bool) {
	s.t.Helper()
	s.until(n.Name+" to publish "+what, func(ctx context.Context) error {
		c, err := s.Cluster(ctx)
		if err != nil {
			return err
		}
		m, _ := c.Member(n.Name)
		if !check(m.State, m.Role, m.Problem) {
			return fmt.Errorf("it says state %q, role %q, problem %q", m.State, m.Role, m.Problem)
		}
		return nil
	})
}

// tellLogs prints the end of each node's log.
func (s *scene) tellLogs() {
	for _, n := range s.Nodes {
		for _, path := range []string{n.Log, n.DataDir() + ".log"} {
			if text, err := os.ReadFile(path); err == nil {
				lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
				s.t.Logf("%s:\n%s", path, strings.Join(lines[max(len(lines)-60, 0):], "\n"))
			}
		}
	}
}
