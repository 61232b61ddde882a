package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/value"
)

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
