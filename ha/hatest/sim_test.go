package hatest

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Seed: 1}
		if testing.Verbose() {
			o.Trace = os.Stdout
		}
		c := New(t, o)
		if !c.Await(2*time.Minute, func() bool { return c.Healthy() == "" }) {
			t.Fatalf("%s, %v", c.Healthy(), c.Err())
		}
		first := c.Leader()
		c.KillHost(first)
		if !c.Await(time.Minute, func() bool { return c.Leader() != "" }) {
			t.Fatalf("nobody took over; %v", c.Err())
		}
		c.BootHost(first)
		if !c.Await(2*time.Minute, func() bool { return c.Healthy() == "" }) {
			t.Fatalf("%s, %v", c.Healthy(), c.Err())
		}
	})
}
