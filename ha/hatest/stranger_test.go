package hatest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/ha"
)

// day is far longer than any ttl.
const day = int64(24 * time.Hour / time.Second)

// TestStrangerAsksForADay: who isn't the leader that the members saw in the store
// gets no pledge, and the leader's name alone gets none for longer than the ttl.
func TestStrangerAsksForADay(t *testing.T) {
	for name, request := range map[string]struct {
		change  func(r ha.PledgeRequest) ha.PledgeRequest
		refused bool
	}{
		"a stranger": {func(r ha.PledgeRequest) ha.PledgeRequest {
			r.Name, r.Terms.Taker = "mallory", "mallory"
			return r
		}, true},
		"a stranger without terms": {func(r ha.PledgeRequest) ha.PledgeRequest { return ha.PledgeRequest{Name: "mallory"} }, true},
		"in the leader's name, without terms": {func(r ha.PledgeRequest) ha.PledgeRequest {
			return ha.PledgeRequest{Name: r.Name, ConnURL: "postgres://" + r.Name + ":5432/postgres", APIURL: apiURL(r.Name)}
		}, true},
		"in the leader's name, of another cluster": {func(r ha.PledgeRequest) ha.PledgeRequest {
			r.Terms.SystemID = "7300000000000000099"
			return r
		}, true},
		"in the leader's name, without its grant": {func(r ha.PledgeRequest) ha.PledgeRequest {
			r.Terms.Grant = "guessed"
			return r
		}, true},
		"as the leader": {func(r ha.PledgeRequest) ha.PledgeRequest { return r }, false},
	} {
		t.Run(name, func(t *testing.T) {
			start(t, Options{Seed: 19}, func(t *testing.T, c *Cluster) {
				leader := c.Leader()
				for _, other := range c.Replicas() {
					terms := ha.PledgeTerms{
						SystemID: c.Cluster().Initialize.SystemID, Scope: "simulated", Giver: other,
						Taker: leader, Grant: c.Cluster().Leader.Grant, TTL: day,
					}
					answer, err := c.AskToPledge(other, request.change(ha.PledgeRequest{Name: leader, Terms: &terms}))
					if (err != nil) != request.refused || answer.Terms.TTL > 30 {
						t.Errorf("%s answered %+v, %v", other, answer, err)
					}
				}
				c.KillHost(leader)
				await(t, c, 70*time.Second, "led again", func() bool { return c.Leader() != "" })
			})
		})
	}
}

// TestAddressReusedByAnotherCluster: a member has got another address, and at the
// one that the failsafe map has, a member of the same name answers that belongs to
// another cluster. Its word binds nobody here.
func TestAddressReusedByAnotherCluster(t *testing.T) {
	config := map[string]any{"ttl": 30, "loop_wait": 1, "retry_timeout": 3, "failsafe_mode": true}
	start(t, Options{Seed: 20, Config: config}, func(t *testing.T, c *Cluster) {
		elsewhere := c.Neighbour(t)
		await(t, c, 2*time.Minute, "two clusters", func() bool { return elsewhere.Healthy() == "" })
		if ours, theirs := c.Cluster().Initialize.SystemID, elsewhere.Cluster().Initialize.SystemID; ours == theirs {
			t.Fatalf("both clusters are the system %s", ours)
		}
		leader, moved := c.Leader(), c.Replicas()[0]
		if elsewhere.Leader() == moved {
			if err := elsewhere.Switchover(moved, leader); err != nil {
				t.Fatal(err)
			}
			await(t, c, time.Minute, "led by another elsewhere", func() bool { return elsewhere.Leader() == leader && elsewhere.Healthy() == "" })
		}
		c.CutStore(leader, true, true)
		c.CutPeers(moved, leader, true)
		c.Readdress(moved, elsewhere, moved)
		c.Run(3 * time.Minute)
		if err := elsewhere.Err(); err != nil {
			t.Errorf("elsewhere: %v", err)
		}
	})
}

// TestAcceptorRestartsInAnOutage: an agent that is started while the store is away
// pledges to the leader that the agent before it saw. After a boot of its host nobody
// knows whom that was.
func TestAcceptorRestartsInAnOutage(t *testing.T) {
	config := map[string]any{"ttl": 30, "loop_wait": 1, "retry_timeout": 3, "failsafe_mode": true}
	start(t, Options{Seed: 21, Config: config}, func(t *testing.T, c *Cluster) {
		leader, grant := c.Leader(), c.Cluster().Leader.Grant
		c.FreezeStore()
		c.Run(40 * time.Second)
		for _, other := range c.Replicas() {
			c.KillAgent(other)
			c.StartAgent(other)
		}
		c.Run(2 * time.Minute)
		if c.Leader() != leader {
			t.Errorf("%q leads rather than %s: %+v", c.Leader(), leader, c.Agent(leader).Report().Decision)
		}
		booted := c.Replicas()[0]
		terms := ha.PledgeTerms{
			SystemID: c.Cluster().Initialize.SystemID, Scope: "simulated", Giver: booted, Taker: leader, Grant: grant, TTL: 30,
		}
		c.KillHost(booted)
		c.BootHost(booted)
		c.Run(10 * time.Second)
		if answer, err := c.AskToPledge(booted, ha.PledgeRequest{Name: leader, Terms: &terms}); err == nil || !strings.Contains(err.Error(), "since its host was booted") {
			t.Errorf("%s answered %+v, %v", booted, answer, err)
		}
	})
}

// TestStoreNamesAnother: a member that can read in the store that another leads
// pledges to nobody else, also when it hasn't come to look since. While it can't, it
// goes by whom it saw last.
func TestStoreNamesAnother(t *testing.T) {
	start(t, Options{Seed: 22}, func(t *testing.T, c *Cluster) {
		former, asked, next := c.Leader(), c.Replicas()[0], c.Replicas()[1]
		terms := ha.PledgeTerms{
			SystemID: c.Cluster().Initialize.SystemID, Scope: "simulated", Giver: asked,
			Taker: former, Grant: c.Cluster().Leader.Grant, TTL: 30,
		}
		c.CutStore(asked, true, true)
		if err := c.Switchover(former, next); err != nil {
			t.Fatal(err)
		}
		await(t, c, time.Minute, "led by "+next, func() bool { return c.Leader() == next })
		c.CutStore(asked, false, false)
		answer, err := c.AskToPledge(asked, ha.PledgeRequest{Name: former, Terms: &terms})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("names %q as the leader", next)) {
			t.Errorf("%s answered %+v, %v", asked, answer, err)
		}
		c.CutStore(asked, true, true)
		terms.Taker, terms.Grant = next, c.Cluster().Leader.Grant
		if answer, err := c.AskToPledge(asked, ha.PledgeRequest{Name: next, Terms: &terms}); err != nil {
			t.Errorf("%s answered %+v, %v", asked, answer, err)
		}
		c.CutStore(asked, false, false)
		await(t, c, 2*time.Minute, "healthy", func() bool { return c.Healthy() == "" })
	})
}
