package bench

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// value is one figure with its unit.
type value struct {
	number float64
	unit   string
	high   bool // more is better
}

func seconds(d time.Duration) value { return value{number: d.Seconds(), unit: "s"} }
func amount(n float64) value        { return value{number: n} }

// loadRow is about the machine, not about a system.
const loadRow = "load average"

// sheet collects figures: what was measured, of which system, how often.
type sheet struct {
	out  io.Writer // hears every figure as it comes
	rows []row
}

type row struct {
	name    string
	unit    string
	high    bool
	samples map[string][]float64 // by system
}

func (s *sheet) add(system, name string, v value) {
	fmt.Fprintf(s.out, "  %s %s: %s %s\n", system, name, figure(v.number), v.unit)
	i := slices.IndexFunc(s.rows, func(r row) bool { return r.name == name })
	if i < 0 {
		i = len(s.rows)
		s.rows = append(s.rows, row{name: name, unit: v.unit, high: v.high, samples: map[string][]float64{}})
	}
	s.rows[i].samples[system] = append(s.rows[i].samples[system], v.number)
}

// median is the middle sample, or the lower one of two.
func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)-1)/2]
}

// print writes the table: of each system median (smallest-largest), and the
// first system's ratios to the peer's and to the floor's medians.
func (s *sheet) print(w io.Writer, systems []string, ratios []ratio) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := append([]string{"", "unit"}, systems...)
	for _, r := range ratios {
		heads = append(heads, r.name)
	}
	fmt.Fprintln(t, strings.Join(heads, "\t"))
	for _, name := range s.order() {
		r := s.rows[slices.IndexFunc(s.rows, func(r row) bool { return r.name == name })]
		cells := []string{r.name, r.unit}
		for _, system := range systems {
			cells = append(cells, spread(r.samples[system]))
		}
		for _, ratio := range ratios {
			cells = append(cells, ratio.of(r))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// order are the rows as they are told: events first, in their order.
func (s *sheet) order() []string {
	var names []string
	for _, event := range append(EventNames(), "") {
		for _, r := range s.rows {
			if strings.HasPrefix(r.name, event) && !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	return names
}

// ratio is the quotient of two systems' medians.
type ratio struct{ name, system, peer string }

func (q ratio) of(r row) string {
	ours, theirs := r.samples[q.system], r.samples[q.peer]
	if len(ours) == 0 || len(theirs) == 0 || median(theirs) == 0 || r.name == loadRow {
		return "–"
	}
	return fmt.Sprintf("%.2f", median(ours)/median(theirs))
}

func spread(samples []float64) string {
	if len(samples) == 0 {
		return "–"
	}
	low, high := slices.Min(samples), slices.Max(samples)
	if figure(low) == figure(high) {
		return figure(low)
	}
	return fmt.Sprintf("%s (%s–%s)", figure(median(samples)), figure(low), figure(high))
}

// figure is a number with three digits, or all that stand before its point.
func figure(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	case n >= 0.1:
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.3f", n)
}

// loadAverage is that of the last minute.
func loadAverage() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("bench: load average: %w", err)
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return 0, fmt.Errorf("bench: load average: %w", err)
	}
	return load, nil
}
