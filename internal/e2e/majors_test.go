package e2e

import (
	"flag"
	"strconv"
	"strings"
	"testing"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/testenv"
)

// majors are those whose core is tested: by default the oldest and the newest,
// by make majors all.
var majors = flag.String("majors", strconv.Itoa(testenv.OldestMajor)+","+strconv.Itoa(testenv.NewestMajor), "majors of PostgreSQL, by commas, that the core runs on")

// What everything else rests on, on other majors of PostgreSQL than the rest of
// the tests. None of them has pg_rewind: whose WAL diverged is cloned anew.
func TestMajors(t *testing.T) {
	t.Parallel()
	for name := range strings.SplitSeq(*majors, ",") {
		major, err := strconv.Atoi(name)
		if err != nil {
			t.Fatalf("-majors %s: %q is not a number", *majors, name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core(t, major)
		})
	}
}

func core(t *testing.T, major int) {
	options := func() lab.Options {
		return lab.Options{PostgresBin: testenv.MajorBin(t, major), Node: cloneDiverged}
	}
	failsafe := options()
	failsafe.Dynamic = map[string]any{"failsafe_mode": true}
	apart := options()
	apart.Nodes, apart.LinkPeers, apart.Dynamic = 2, true, anyLag
	for _, part := range []struct {
		name string
		play func(*testing.T)
	}{
		{"three empty nodes", func(t *testing.T) { threeEmptyNodes(t, options()) }},
		{"switchover", func(t *testing.T) { switchover(t, options()) }},
		{hostLost.name, func(t *testing.T) { hostLost.play(t, options()) }},
		{agentFrozen.name, func(t *testing.T) { agentFrozen.play(t, options()) }},
		{"the store is lost", func(t *testing.T) { storeKilled.play(t, failsafe) }},
		{"diverged", func(t *testing.T) {
			s, old := divergedClonesAnew(t, apart)
			if s.logged(old, "can't be rewound.*pg_rewind: no such file") == 0 {
				t.Error("it doesn't say that it can't be rewound, and why")
			}
		}},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.play(t)
		})
	}
}
