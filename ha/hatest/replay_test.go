package hatest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/regent-ha/regent/ha"
)

// TestReplay: what was decided during a failover, with the store going down in
// between, is decided again from what was kept of it.
func TestReplay(t *testing.T) {
	start(t, Options{Seed: 11}, func(t *testing.T, c *Cluster) {
		former := c.Leader()
		c.KillHost(former)
		await(t, c, time.Minute, "led again", func() bool { return c.Leader() != "" })
		c.StopStore()
		c.Run(20 * time.Second)
		c.StartStore()
		c.BootHost(former)
		await(t, c, time.Minute, "healthy", func() bool { return c.Healthy() == "" })
		replayed := map[string]bool{}
		for _, name := range append(c.Replicas(), c.Leader()) {
			views, err := c.Agent(name).Views()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range views {
				replay(t, name, d)
				replayed[d.Rule] = true
			}
		}
		for _, rule := range []string{"election/fit", "promote", "lead", "follow", "failsafe/ask"} {
			if !replayed[rule] {
				t.Errorf("nothing was decided by %s: %v", rule, replayed)
			}
		}
	})
}

// replay decides d again, as it comes out of a file.
func replay(t *testing.T, member string, d ha.Decision) {
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var saved ha.Decision
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	again, err := ha.Replay(saved)
	if err != nil {
		t.Fatal(err)
	}
	if again.Member != member || !again.Decision.At.Equal(d.At) {
		t.Errorf("%s at %v came back as %s at %v", member, d.At, again.Member, again.Decision.At)
	}
	again.Decision.At = d.At
	if !reflect.DeepEqual(again.Decision, d) {
		t.Errorf("%s decided\n%+v\nand again\n%+v", member, d, again.Decision)
	}
}
