package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with one key.
type Problem struct {
	Key  string // full dotted name, or the name of a variable or file; empty: of the whole
	Text string // what is wrong and what is allowed, without a secret
}

// String is the problem in one line.
func (p Problem) String() string {
	if p.Key == "" {
		return p.Text
	}
	return p.Key + ": " + p.Text
}

// Warning is a Problem that stops nothing.
type Warning = Problem

// InvalidError is a configuration that can't be used, with all that is wrong
// with it in the order of the keys.
type InvalidError []Problem

// Error has a line for each problem.
func (e InvalidError) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// report collects problems while a configuration is read.
type report struct {
	problems []Problem
	warnings []Warning
	idle     []string // keys that are understood and have no effect
}

func (r *report) refuse(key, format string, args ...any) {
	r.problems = append(r.problems, Problem{key, fmt.Sprintf(format, args...)})
}

func (r *report) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{key, fmt.Sprintf(format, args...)})
}

// result returns what was collected in a stable order.
func (r *report) result() ([]Warning, error) {
	warnings := r.warnings
	if len(r.idle) > 0 {
		slices.Sort(r.idle)
		warnings = append(warnings, Warning{Text: "without effect here: " + strings.Join(slices.Compact(r.idle), ", ")})
	}
	if len(r.problems) > 0 {
		return inOrder(warnings), InvalidError(inOrder(r.problems))
	}
	return inOrder(warnings), nil
}

func inOrder(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Text, b.Text))
	})
	return slices.Compact(problems)
}
