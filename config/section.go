package config

import (
	"maps"
	"slices"
	"strings"
)

// section reads one map of the configuration key by key. Each key is asked for
// once, with its type and range; what was never asked for is unknown.
type section struct {
	path    string
	values  map[string]any
	present bool
	broken  bool // it is there and no map
	asked   map[string]bool
	*report
}

func newSection(path string, v any, r *report) *section {
	s := &section{path: path, asked: map[string]bool{}, report: r}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		s.values, s.present = v, true
	default:
		s.broken = true
		r.refuse(path, "must be a map")
	}
	return s
}

// key is the full name of a key of the section.
func (s *section) key(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// take returns a key's value; a null counts as not given.
func (s *section) take(name string) (any, bool) {
	s.asked[name] = true
	v := s.values[name]
	return v, v != nil
}

// has says whether a key is given, without reading it.
func (s *section) has(name string) bool { return s.values[name] != nil }

func (s *section) bad(name, format string, args ...any) {
	s.refuse(s.key(name), format, args...)
}

// missing refuses that a key isn't there.
func (s *section) missing(name, what string) {
	if s.has(name) || s.broken {
		return
	}
	if what != "" {
		what = ": " + what
	}
	s.bad(name, "missing%s", what)
}

// failed says whether something of the section was refused so far.
func (s *section) failed() bool {
	return slices.ContainsFunc(s.problems, func(p Problem) bool {
		return p.Key == s.path || strings.HasPrefix(p.Key, s.path+".")
	})
}

// sub is a section of this one; absent, it reads as empty.
func (s *section) sub(name string) *section {
	v, _ := s.take(name)
	return newSection(s.key(name), v, s.report)
}

// names are the keys that are there, in order.
func (s *section) names() []string { return slices.Sorted(maps.Keys(s.values)) }

// noEffect marks keys that are understood and that nothing depends on.
func (s *section) noEffect(names ...string) {
	for _, name := range names {
		if _, ok := s.take(name); ok {
			s.idle = append(s.idle, s.key(name))
		}
	}
}

// rest warns about each key that nobody asked for.
func (s *section) rest() {
	known := slices.Sorted(maps.Keys(s.asked))
	for _, name := range s.names() {
		if s.asked[name] {
			continue
		}
		hint := ""
		if meant := nearest(name, known); meant != "" {
			hint = "; did you mean " + meant + "?"
		}
		s.warn(s.key(name), "unknown, ignored%s", hint)
	}
}
