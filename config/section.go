package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/value"
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

func (s *section) text(name, fallback string) string {
	v, ok := s.take(name)
	if !ok {
		return fallback
	}
	if _, isSwitch := v.(bool); !isSwitch {
		if t, err := value.Text(v); err == nil {
			return t
		}
	}
	s.bad(name, "%s is not allowed: a text is (in quotes, if it reads as something else)", value.Show(v))
	return fallback
}

// secret is a text that no error shows.
func (s *section) secret(name string) Secret {
	v, ok := s.take(name)
	if !ok {
		return ""
	}
	if _, isSwitch := v.(bool); !isSwitch {
		if t, err := value.Text(v); err == nil {
			return Secret(t)
		}
	}
	s.bad(name, "must be a text (in quotes, if it reads as something else)")
	return ""
}

func (s *section) oneOf(name, fallback string, allowed ...string) string {
	v, ok := s.take(name)
	if !ok {
		return fallback
	}
	t, isText := v.(string)
	if i := slices.IndexFunc(allowed, func(a string) bool { return strings.EqualFold(a, t) }); isText && i >= 0 {
		return allowed[i]
	}
	s.bad(name, "%s is not allowed: one of %s is", value.Show(v), strings.Join(allowed, ", "))
	return fallback
}

func (s *section) flag(name string, fallback bool) bool {
	v, ok := s.take(name)
	if !ok {
		return fallback
	}
	b, err := value.Bool(v)
	if err != nil {
		s.bad(name, "%v", err)
		return fallback
	}
	return b
}

func (s *section) number(name string, fallback, least int64) int64 {
	return s.quantity(name, fallback, least, math.MaxInt32, value.Int)
}

func (s *section) bytes(name string, fallback, least int64) int64 {
	return s.quantity(name, fallback, least, math.MaxInt64, func(v any) (int64, error) { return value.Bytes(v, 1) })
}

func (s *section) quantity(name string, fallback, least, most int64, read func(any) (int64, error)) int64 {
	v, ok := s.take(name)
	if !ok {
		return fallback
	}
	n, err := read(v)
	switch {
	case err != nil:
		s.bad(name, "%v", err)
	case n < least:
		s.bad(name, "%s is not allowed: at least %d is", value.Show(v), least)
	case n > most:
		s.bad(name, "%s is not allowed: at most %d is", value.Show(v), most)
	default:
		return n
	}
	return fallback
}

func (s *section) seconds(name string, fallback, least time.Duration) time.Duration {
	v, ok := s.take(name)
	if !ok {
		return fallback
	}
	d, err := value.Duration(v, time.Second)
	switch {
	case err != nil:
		s.bad(name, "%v", err)
	case d < least:
		s.bad(name, "%s is not allowed: at least %v is", value.Show(v), least)
	default:
		return d
	}
	return fallback
}

// list is a list of texts; one text alone counts as a list of it.
func (s *section) list(name string) []string {
	v, ok := s.take(name)
	if !ok {
		return nil
	}
	if t, isText := v.(string); isText {
		return []string{t}
	}
	items, isList := v.([]any)
	if !isList {
		s.bad(name, "%s is not allowed: a list of texts is", value.Show(v))
		return nil
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		t, isText := item.(string)
		if !isText {
			s.bad(fmt.Sprintf("%s[%d]", name, i), "%s is not allowed: a text is", value.Show(item))
			continue
		}
		texts = append(texts, t)
	}
	return texts
}

// commaList is a list, or one text with commas.
func (s *section) commaList(name string) []string {
	var texts []string
	for _, item := range s.list(name) {
		for part := range strings.SplitSeq(item, ",") {
			if part = strings.TrimSpace(part); part != "" {
				texts = append(texts, part)
			}
		}
	}
	return texts
}

// table is a map of scalars as texts, its names as they are.
func (s *section) table(name string) map[string]string {
	sub := s.sub(name)
	if !sub.present {
		return nil
	}
	texts := make(map[string]string, len(sub.values))
	for _, k := range sub.names() {
		v, ok := sub.take(k)
		if !ok {
			continue
		}
		t, err := value.Text(v)
		if err != nil {
			sub.bad(k, "%v", err)
			continue
		}
		texts[k] = t
	}
	return texts
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
