package demo

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// result is one line of the report.
type result struct {
	step     step
	took     time.Duration
	gap      time.Duration // longest between two acknowledged writes
	acked    int
	lost     int
	two      time.Duration // two servers acknowledged writes
	overlaps []lab.Overlap
	leader   string // at the end
	err      error
}

// broken says what is not as promised.
func (r result) broken() []string {
	var out []string
	if r.err != nil {
		out = append(out, r.err.Error())
	}
	if r.two > 0 || len(r.overlaps) > 0 {
		out = append(out, fmt.Sprintf("two primaries took writes for %v, first %+v", r.two, r.overlaps[0]))
	}
	if r.lost > 0 && !r.step.mayLose {
		out = append(out, fmt.Sprintf("%d acknowledged rows are lost", r.lost))
	}
	if r.gap > r.step.within {
		out = append(out, fmt.Sprintf("no writes for %v, at most %v are expected", r.gap, r.step.within))
	}
	return out
}
