package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) {
	fence.Main() // as in main, which guards run again
	testenv.MainOf(m, main)
}

const limit = time.Minute

func TestTwoMembersSwitch(t *testing.T) {
	store := strings.Join(testenv.Etcd(t, testenv.EtcdOptions{}).Endpoints(), ",")
	run := func(name string) *testenv.Program {
		dir := testenv.ShortTempDir(t)
		testenv.EndBelow(t, dir) // the guard outlives a killed program
		return testenv.Run(t, "-name", name, "-endpoints", store, "-bin", testenv.PostgresBin(t),
			"-data", filepath.Join(dir, "data"), "-listen", testenv.Addr(t), "-api", testenv.Addr(t))
	}
	a := run("a")
	a.WaitFor(t, limit, `PostgreSQL: .* as primary`)
	a.WaitFor(t, limit, `INFO leads`)
	b := run("b")
	b.WaitFor(t, limit, `PostgreSQL: .* as replica`)
	b.WaitFor(t, limit, `following a leader`)

	a.Interrupt()
	a.WaitFor(t, limit, `leads no more`)
	a.WaitEnd(t, limit)
	b.WaitFor(t, limit, `PostgreSQL: .* as primary`)
	b.Interrupt()
	b.WaitEnd(t, limit)
}
