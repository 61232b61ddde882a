package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// screen shows the cluster: at a terminal as a picture that is drawn again and
// again, else a line for each change.
type screen struct {
	out      io.Writer
	terminal bool
	lab      *lab.Lab
	hints    func(state) []string

	drawn  bool
	last   string   // the roles as they were shown last
	events []string // changes of roles, the latest last
}

// eventsShown is how many of the latest changes are on the screen.
const eventsShown = 6

func (s *screen) show(now state, c *counters, gone map[string]time.Time) {
	s.note(now)
	if !s.terminal {
		return
	}
	var b strings.Builder
	if !s.drawn {
		b.WriteString("\x1b[2J")
		s.drawn = true
	}
	b.WriteString("\x1b[H")
	for _, line := range s.picture(now, c, gone) {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	io.WriteString(s.out, b.String())
}

// leave goes below the picture.
func (s *screen) leave() {
	if s.drawn {
		io.WriteString(s.out, "\n")
	}
}

// note remembers a change of roles, and prints it where there is no picture.
func (s *screen) note(now state) {
	var roles []string
	for _, n := range now.nodes {
		role := n.role
		if role == "standby" && n.streaming {
			role = "streams"
		}
		roles = append(roles, n.name+" "+role)
	}
	leader := now.leader
	switch {
	case !now.storeOK:
		leader = "unknown (the store doesn't answer)"
	case leader == "":
		leader = "nobody"
	}
	text := "leader: " + leader + "; " + strings.Join(roles, ", ")
	if text == s.last {
		return
	}
	s.last = text
	event := time.Now().Format("15:04:05.00") + "  " + text
	s.events = append(s.events, event)
	s.events = s.events[max(0, len(s.events)-eventsShown):]
	if !s.terminal {
		fmt.Fprintln(s.out, event)
	}
}

func (s *screen) picture(now state, c *counters, gone map[string]time.Time) []string {
	lines := []string{
		"A cluster of three in " + s.lab.Dir + ". Ctrl-C ends it and removes everything.",
		"",
		fmt.Sprintf("  %-6s %-9s %-10s %8s %9s %8s %8s %10s  %-16s %s", "node", "role", "", "timeline", "lag", "agent", "guard", "PostgreSQL", "SQL", "REST API"),
	}
	for _, n := range now.nodes {
		lines = append(lines, "  "+nodeLine(n, n.name == now.leader))
	}
	for _, n := range now.nodes {
		if since, ok := gone[n.name]; ok {
			wait := (serviceManager(s.lab) - time.Since(since)).Round(time.Second)
			lines = append(lines, fmt.Sprintf("  the agent of %s has ended; a service manager would start it again, here in %v", n.name, max(0, wait)))
		}
	}
	lines = append(lines, "",
		fmt.Sprintf("  a client writes a row every 5 ms: %d acknowledged, %.0f a second, longest gap of the last minute %s", c.acked, c.rate, seconds(c.gap)),
		fmt.Sprintf("  acknowledged rows lost: %d     two primaries took writes: %s", c.lost, seconds(c.two)),
		"", "Try in another terminal:")
	for _, h := range s.hints(now) {
		lines = append(lines, "  "+h)
	}
	lines = append(lines, "", "What happened:")
	for _, e := range slices.Backward(s.events) {
		lines = append(lines, "  "+e)
	}
	return lines
}

func nodeLine(n nodeState, leads bool) string {
	what := ""
	switch {
	case leads:
		what = "leader"
	case n.streaming:
		what = "streaming"
	}
	lag := "-"
	if n.lag >= 0 && n.role == "standby" {
		lag = fmt.Sprintf("%d kB", n.lag>>10)
	}
	return fmt.Sprintf("%-6s %-9s %-10s %8s %9s %8s %8s %10s  %-16s %s", n.name, n.role, what,
		number(int(n.timeline)), lag, number(n.agent), number(n.guard), number(n.postmaster), n.sql, n.api)
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
