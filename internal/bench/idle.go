package bench

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/tally"
)

// ticks a second of the times in /proc (USER_HZ, proc(5)); the same on all
// Linux architectures that matter here.
const ticks = 100

// measureIdle looks at what agents cost that have nothing to do, for d.
func (t *trial) measureIdle(ctx context.Context, d time.Duration) error {
	if err := t.waitSilent(ctx); err != nil {
		return err
	}
	nodes := map[string]*lab.Node{"primary": t.leader, "replica": t.other()}
	before := map[string]map[string]int{}
	var err error
	for role, n := range nodes {
		if before[role], err = t.tallies[n.Name].Counts(); err != nil {
			return err
		}
	}
	parts := t.parts()
	for i := range parts {
		if parts[i].before, err = cpuTime(parts[i].pid); err != nil {
			return err
		}
	}
	if err := t.rest(ctx, d); err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(nodes)) {
		after, err := t.tallies[nodes[role].Name].Counts()
		if err != nil {
			return err
		}
		t.addRequests(role, before[role], after, d.Seconds()/t.system.Settings.LoopWait.Seconds())
	}
	for _, p := range parts {
		used, err := cpuTime(p.pid)
		if err != nil {
			return err
		}
		t.sheet.add(t.system.Name, "idle: CPU a minute, "+p.name, seconds(time.Duration(float64(used-p.before)*float64(time.Minute)/float64(d))))
		m, err := memoryOf(p.pid)
		if err != nil {
			return err
		}
		t.sheet.add(t.system.Name, "idle: RSS, "+p.name, value{number: m.resident, unit: "MiB"})
		t.sheet.add(t.system.Name, "idle: PSS, "+p.name, value{number: m.proportional, unit: "MiB"})
	}
	return nil
}

// waitSilent returns when no position in the store has changed for some cycles: a new
// server goes on writing for a while, and each position that is published is news.
func (t *trial) waitSilent(ctx context.Context) error {
	const cycles, shortest, longest = 3, 30 * time.Second, 10 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var last map[string]uint64
	return lab.Until(ctx, "silence in the store", func(ctx context.Context) error {
		if err := t.rest(ctx, max(cycles*t.system.Settings.LoopWait, shortest)); err != nil {
			return err
		}
		c, err := t.lab.Cluster(ctx)
		if err != nil {
			return err
		}
		now := map[string]uint64{"": c.Status.Optime}
		for _, m := range c.Members {
			now[m.Name] = m.Location
		}
		before := last
		if last = now; !maps.Equal(before, now) {
			return fmt.Errorf("positions were %v, and are %v", before, now)
		}
		return nil
	})
}

// addRequests notes what a node has asked of the store in a loop_wait.
func (t *trial) addRequests(role string, before, after map[string]int, loops float64) {
	sum := 0
	for _, what := range slices.Sorted(maps.Keys(after)) {
		n := after[what] - before[what]
		if n == 0 {
			continue
		}
		fmt.Fprintf(t.sheet.out, "  %s idle: %s of the %s's agent: %d in %s loops\n", t.system.Name, what, role, n, figure(loops))
		if what != tally.Watching {
			sum += n
		}
	}
	t.sheet.add(t.system.Name, "idle: requests to the store a loop, "+role, amount(float64(sum)/loops))
	t.sheet.add(t.system.Name, "idle: "+tally.Watching+" a loop, "+role, amount(float64(after[tally.Watching]-before[tally.Watching])/loops))
}

// part is one process that belongs to a system.
type part struct {
	name   string
	pid    int
	before time.Duration
}

// parts are the processes of the leader's node and of a replica's, PostgreSQL
// aside.
func (t *trial) parts() []part {
	var parts []part
	for _, p := range []struct {
		role string
		node *lab.Node
	}{{"primary", t.leader}, {"replica", t.other()}} {
		parts = append(parts, part{name: "agent of the " + p.role, pid: p.node.AgentPID()})
		if pid := p.node.GuardPID(); pid != 0 {
			parts = append(parts, part{name: "guard of the " + p.role, pid: pid})
		}
	}
	return parts
}

// cpuTime is what a process has used, with all its threads (proc(5), stat).
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("bench: CPU time: %w", err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12 // fields 14 and 15, of which two lie before the last ')'
	if len(fields) <= system {
		return 0, fmt.Errorf("bench: CPU time of process %d: %d fields", pid, len(fields))
	}
	sum := 0
	for _, f := range fields[user : system+1] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, fmt.Errorf("bench: CPU time of process %d: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// memory is a process's, in MiB.
type memory struct{ resident, proportional float64 }

func memoryOf(pid int) (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, fmt.Errorf("bench: memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		switch {
		case err != nil:
		case fields[0] == "Rss:":
			m.resident = kib / 1024
		case fields[0] == "Pss:":
			m.proportional = kib / 1024
		}
	}
	return m, nil
}
