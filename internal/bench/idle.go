package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// ticks a second of the times in /proc (USER_HZ, proc(5)); the same on all
// Linux architectures that matter here.
const ticks = 100

// measureIdle looks at what agents cost that have nothing to do, for d.
func (t *trial) measureIdle(ctx context.Context, d time.Duration) error {
	before, err := t.requests(ctx)
	if err != nil {
		return err
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
	after, err := t.requests(ctx)
	if err != nil {
		return err
	}
	cycles := d.Seconds() / t.system.Settings.LoopWait.Seconds() * float64(len(t.lab.Nodes))
	sum := 0.0
	for _, method := range slices.Sorted(maps.Keys(after)) {
		if n := after[method] - before[method]; n > 0 {
			fmt.Fprintf(t.sheet.out, "  %s idle: %s %s per agent and loop\n", t.system.Name, method, figure(n/cycles))
			sum += n
		}
	}
	t.sheet.add(t.system.Name, "idle: store requests per agent and loop", amount(sum/cycles))
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

// requests is how many messages of each method clients have sent to the store,
// as it counts them; watches, which are answered without being asked, aside.
func (t *trial) requests(ctx context.Context) (map[string]float64, error) {
	sums := map[string]float64{}
	for _, endpoint := range t.lab.Store.Endpoints {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+endpoint+"/metrics", nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			err = received(answer.Body, sums)
			answer.Body.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("bench: the store's metrics: %w", err)
		}
	}
	return sums, nil
}

// received adds up the counters of messages by method.
func received(metrics io.Reader, sums map[string]float64) error {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		labels, ok := strings.CutPrefix(lines.Text(), "grpc_server_msg_received_total{")
		if !ok {
			continue
		}
		_, method, _ := strings.Cut(labels, `grpc_method="`)
		method, _, _ = strings.Cut(method, `"`)
		n, err := strconv.ParseFloat(labels[strings.LastIndexByte(labels, ' ')+1:], 64)
		if err != nil {
			return err
		}
		if method != "Watch" {
			sums[method] += n
		}
	}
	return lines.Err()
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
