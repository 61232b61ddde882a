package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// refresh is how often the cluster is looked at.
const refresh = 250 * time.Millisecond

// serviceManager is after how long an agent that has ended is started again, as
// a service manager would: late enough for a failover to be seen.
func serviceManager(l *lab.Lab) time.Duration { return l.Succession() + 10*time.Second }

// live shows the cluster until ctx ends.
func (d *demo) live(ctx context.Context) error {
	took, err := d.start(ctx)
	defer d.stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return d.keepLogs(ctx, err)
	}
	d.printf("A primary and two streaming standbys after %s\n", seconds(took))
	s := &screen{out: d.options.Out, terminal: terminal(d.options.Out), lab: d.lab, hints: d.hints()}
	gone := map[string]time.Time{} // since when an agent doesn't run
	counted := &counters{demo: d}
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		now := look(ctx, d.lab)
		counted.look(ctx, now)
		s.show(now, counted, gone)
		d.restartAgents(gone)
		select {
		case <-ctx.Done():
			s.leave()
			d.printf("Ending the cluster\n")
			return nil
		case <-tick.C:
		}
	}
}

// restartAgents does a service manager's work.
func (d *demo) restartAgents(gone map[string]time.Time) {
	for _, n := range d.lab.Nodes {
		since, known := gone[n.Name]
		switch {
		case n.AgentPID() != 0:
			delete(gone, n.Name)
		case !known:
			gone[n.Name] = time.Now()
		case time.Since(since) > serviceManager(d.lab):
			// An error shows as an agent that stays away.
			_ = n.StartAgent()
		}
	}
}

// hints are commands to try, with the paths of this run.
func (d *demo) hints() func(state) []string {
	ctl := beside("regentctl")
	return func(s state) []string {
		var out []string
		if n := s.primary(); n != nil {
			out = append(out,
				fmt.Sprintf("kill -9 %-8d the primary's PostgreSQL", n.postmaster),
				fmt.Sprintf("kill -9 %-8d the primary's agent (started again after %v)", n.agent, serviceManager(d.lab)),
				fmt.Sprintf("kill -STOP %-5d the primary's agent freezes; kill -CONT thaws it", n.agent),
				fmt.Sprintf("kill -9 %d %d %d   agent, guard and PostgreSQL at once", n.agent, n.guard, n.postmaster))
		}
		if ctl != "" {
			ctl := strings.Join(append(d.lab.Nodes[0].Env(), ctl, "-c", d.lab.Nodes[0].Config), " ")
			out = append(out, ctl+" list", ctl+" switchover")
		}
		return append(out, "tail -f "+filepath.Join(d.lab.Dir, "*", "regent.log"),
			filepath.Join(d.options.PostgresBin, "psql")+" -h "+d.lab.Nodes[0].Dir+" -U postgres -p "+d.lab.Nodes[0].Port())
	}
}
