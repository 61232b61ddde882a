package ctl

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/rest"
)

// listing is the table of a cluster's members.
func listing(name string, c dcs.Cluster, format string, extended bool) *table {
	o := rest.NewOverview(name, c)
	drawn := format == formatPretty || format == formatTopology
	t := &table{heading: heading(name, c)}
	lag := func(of string) column {
		key := of + " Lag"
		if drawn {
			return column{title: "Lag", key: key, right: true}
		}
		return column{title: key, right: true}
	}
	t.columns = []column{{title: "Member"}, {title: "Host"}, {title: "Role"}, {title: "State"}, {title: "TL", right: true},
		{title: "Receive LSN", right: true}, lag("Receive"), {title: "Replay LSN", right: true}, lag("Replay")}
	extras := extraColumns(o, drawn, extended)
	for _, e := range extras {
		t.columns = append(t.columns, column{title: e.title})
	}
	if !drawn {
		t.columns = append([]column{{title: "Cluster"}}, t.columns...)
	}
	for _, row := range ordered(o, format) {
		cells := row.cells(withPorts(o))
		for _, e := range extras {
			cells = append(cells, e.cell(row.MemberOverview))
		}
		if !drawn {
			cells = append([]any{name}, cells...)
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

func heading(name string, c dcs.Cluster) string {
	id := c.Initialize.SystemID
	switch {
	case !c.Initialize.Present:
		id = "uninitialized"
	case id == "":
		id = "initializing"
	}
	return fmt.Sprintf(" Cluster: %s (%s) ", name, id)
}

// withPorts says whether hosts alone don't tell where members are.
func withPorts(o rest.Overview) bool {
	seen := map[string]bool{}
	for _, m := range o.Members {
		if m.Host != "" && (m.Port != 5432 || seen[m.Host]) {
			return true
		}
		seen[m.Host] = true
	}
	return false
}

// listed is a member with its name as it is shown.
type listed struct {
	rest.MemberOverview
	shown string
}

func (m listed) cells(withPort bool) []any {
	host := m.Host
	if withPort {
		host = m.Address()
	}
	cells := []any{m.shown, host, title(m.Role), m.State, nil, nil, nil, nil, nil}
	if m.Timeline != 0 {
		cells[4] = m.Timeline
	}
	if m.Leads() {
		return cells
	}
	for i, p := range []rest.Position{m.Receive, m.Replay} {
		cells[5+2*i] = dcs.StateUnknown
		if p.LSN != 0 {
			cells[5+2*i], cells[6+2*i] = p.LSN.String(), int64(math.RoundToEven(float64(p.Lag)/(1<<20)))
		}
	}
	return cells
}

// title is sync_standby as Sync Standby.
func title(role string) string {
	words := strings.Split(role, "_")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// extra is a column that is shown where some member has a value for it.
type extra struct {
	title string
	cell  func(m rest.MemberOverview) any
}

func extraColumns(o rest.Overview, drawn, all bool) []extra {
	columns := []extra{
		{"Pending restart", func(m rest.MemberOverview) any {
			if m.PendingRestart == nil {
				return nil
			}
			return "*"
		}},
		{"Pending restart reason", func(m rest.MemberOverview) any { return reasons(m.PendingRestart, drawn) }},
		{"Scheduled restart", func(m rest.MemberOverview) any { return scheduled(m.ScheduledRestart) }},
		{"Tags", func(m rest.MemberOverview) any {
			if len(m.Tags) == 0 {
				return nil
			}
			return map[string]any(m.Tags)
		}},
	}
	return slices.DeleteFunc(columns, func(e extra) bool {
		return !all && !slices.ContainsFunc(o.Members, func(m rest.MemberOverview) bool { return !isEmpty(e.cell(m)) })
	})
}

// longestReason is what fits into a drawn table.
const longestReason = 50

func reasons(pending map[string]dcs.PendingChange, drawn bool) string {
	lines := make([]string, 0, len(pending))
	for _, name := range slices.Sorted(maps.Keys(pending)) {
		line := fmt.Sprintf("%s: %s->%s", name, pending[name].Old, pending[name].New)
		if drawn && utf8.RuneCountInString(line) > longestReason {
			line = name + ": [hidden - too long]"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func scheduled(restart map[string]any) string {
	at, _ := restart["schedule"].(string)
	if version := restart["postgres_version"]; at != "" && version != nil {
		at += fmt.Sprintf(" if version < %v", version)
	}
	return at
}

// ordered is the members by name, or as a tree.
func ordered(o rest.Overview, format string) []listed {
	rows := make([]listed, 0, len(o.Members))
	if format != formatTopology {
		for _, m := range o.Members {
			rows = append(rows, listed{m, m.Name})
		}
		return rows
	}
	below, roots := map[string][]rest.MemberOverview{}, []rest.MemberOverview{}
	for _, m := range o.Members {
		if parent := upstream(o, m); parent == "" {
			roots = append(roots, m)
		} else {
			below[parent] = append(below[parent], m)
		}
	}
	seen := map[string]bool{}
	var walk func(m rest.MemberOverview, level int)
	walk = func(m rest.MemberOverview, level int) {
		if seen[m.Name] {
			return
		}
		seen[m.Name] = true
		shown := m.Name
		if level > 0 {
			shown = strings.Repeat("  ", level-1) + "+ " + shown
		}
		rows = append(rows, listed{m, shown})
		for _, child := range below[m.Name] {
			walk(child, level+1)
		}
	}
	for _, m := range roots {
		walk(m, 0)
	}
	for _, m := range o.Members { // members that follow one another in a circle
		walk(m, 1)
	}
	return rows
}

// upstream is whom a member follows; empty: nobody.
func upstream(o rest.Overview, m rest.MemberOverview) string {
	if m.Leads() {
		return ""
	}
	leader := ""
	for _, other := range o.Members {
		if other.Leads() {
			leader = other.Name
		} else if other.Name != m.Name && other.Name == m.Tags.ReplicateFrom() {
			return other.Name
		}
	}
	return leader
}
