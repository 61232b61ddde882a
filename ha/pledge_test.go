package ha

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	memorystore "github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/fence"
)

// brokenNotes can't read the pledge that was written down.
type brokenNotes struct{}

func (n *brokenNotes) WriteLease(LeaseNote) error          { return nil }
func (n *brokenNotes) ReadLease(string) (LeaseNote, error) { return LeaseNote{}, errors.New("none") }
func (n *brokenNotes) ForgetLease() error                  { return nil }
func (n *brokenNotes) WritePledge(PledgeNote) error        { return nil }
func (n *brokenNotes) WriteLeader(LeaderNote) error        { return nil }
func (n *brokenNotes) ReadLeader() (LeaderNote, error)     { return LeaderNote{}, nil }
func (n *brokenNotes) Probe() error                        { return nil }
func (n *brokenNotes) ReadPledge(clock.Instant, time.Duration) (PledgeNote, error) {
	return PledgeNote{}, errors.New("input/output error")
}

func brokenAgent(t *testing.T) *Agent {
	t.Helper()
	store, err := memorystore.NewStore(clock.System()).Open(memorystore.Options{Path: dcs.Path{Scope: "s"}, Name: "a", TTL: 30 * time.Second, Clock: clock.System()})
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{cfg: Config{Name: "a", Scope: "s", Notes: &brokenNotes{}}, clock: clock.System(), log: slog.New(slog.DiscardHandler),
		settings: DefaultSettings(), client: dcs.NewClient(store, dcs.ClientOptions{}), seen: map[string]clock.Instant{}, known: map[string]dcs.Member{}}
	a.office.init(a)
	a.pledged.init(a)
	a.fencing.agent, a.fencing.mode = a, fence.Off
	return a
}

// TestPledgeThatCannotBeRead lasts for the ttl of the cluster, which the agent learns
// only with its first read of the store.
func TestPledgeThatCannotBeRead(t *testing.T) {
	a := brokenAgent(t)
	if err := a.pledged.load(); err == nil {
		t.Fatal("no error")
	}
	a.settings.TTL = 300 * time.Second // as reconfigure does
	a.pledged.lasts(a.settings.TTL)
	later := a.clock.Now().Add(60 * time.Second)
	v := view{Now: later, Pledged: a.pledged.look(), Settings: a.settings}
	v.Store.Cluster.Failsafe = dcs.Failsafe{Version: "1", Members: map[string]string{"a": "x", "b": "y"}}
	if _, waits := mayHavePledged(v); !waits && !v.Pledged.binds(later) {
		t.Errorf("60 s after the start nothing binds, with a ttl of 300 s: %+v", v.Pledged)
	}
}

// TestRoundCountsBesideRead is for the race detector: a round of pledges is written
// down by its own goroutine, while the loop reads the store.
func TestRoundCountsBesideRead(t *testing.T) {
	a := brokenAgent(t)
	ctx := context.Background()
	now := a.clock.Now()
	lease := dcs.Lease{ID: "g", Since: now, For: time.Minute}
	a.office.set(term{Lease: lease, First: "g", Plan: a.settings.Timing().Plan(lease)})
	var group sync.WaitGroup
	group.Go(func() {
		for range 5000 {
			if err := a.pledges.count(ctx, a, 0, a.settings.Timing().PlanFor(a.clock.Now(), time.Minute)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 5000 {
		a.read(ctx)
	}
	group.Wait()
}
