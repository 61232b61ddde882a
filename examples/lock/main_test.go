package main

import (
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { testenv.MainOf(m, main) }

const limit = 30 * time.Second

func TestOneWorksAtATime(t *testing.T) {
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	run := func(name string) *testenv.Program {
		return testenv.Run(t, "-endpoints", strings.Join(server.Endpoints(), ","), "-name", name, "-ttl", "3s")
	}
	a := run("a")
	a.WaitFor(t, limit, `a .* works on part 2`)
	b := run("b")
	b.WaitFor(t, limit, `waits for a`)

	t.Log("who ends in order gives the lease back")
	a.Interrupt()
	a.WaitEnd(t, limit)
	b.WaitFor(t, limit, `works on part 1`)

	t.Log("who was killed keeps it until it ends")
	c := run("c")
	c.WaitFor(t, limit, `waits for b`)
	b.Kill()
	c.WaitFor(t, limit, `works on part 1`)

	t.Log("who can't renew stops working before the lease ends")
	server.Members[0].Freeze()
	c.WaitFor(t, limit, `has stopped working`)
	server.Members[0].Thaw()
	c.WaitFor(t, limit, `(?s)lost the lease.*works on part 1`)

	// Each line has a name and a time of day.
	if stopped, began := timeOf(t, a, "stopped working"), timeOf(t, b, "works on part 1\n"); began < stopped {
		t.Errorf("b began at %s, before a stopped at %s", began, stopped)
	}
	c.Interrupt()
	c.WaitEnd(t, limit)
}

// timeOf is the time of the first line with text.
func timeOf(t *testing.T, p *testenv.Program, text string) string {
	t.Helper()
	before, _, found := strings.Cut(p.Output(), text)
	if !found {
		t.Fatalf("no line with %q in:\n%s", text, p.Output())
	}
	return strings.Fields(before[strings.LastIndexByte(before, '\n')+1:])[1]
}
