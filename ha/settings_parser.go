package ha

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/value"
)

// formerNames are other spellings of keys, in the order in which they count
// where the present one isn't given.
var formerNames = map[string]string{
	"master_start_timeout": "primary_start_timeout",
	"master_stop_timeout":  "primary_stop_timeout",
}

// slotKeys are the spellings of the permanent slots; the first that isn't empty counts.
var slotKeys = []string{"permanent_replication_slots", "permanent_slots", "slots"}

// parser reads settings key by key and collects what is wrong with them.
type parser struct {
	values   map[string]any
	seen     map[string]bool
	problems []string
	warnings []string
}

func (p *parser) refuse(key, format string, args ...any) {
	p.problems = append(p.problems, key+": "+fmt.Sprintf(format, args...))
}

func (p *parser) warn(key, format string, args ...any) {
	p.warnings = append(p.warnings, key+": "+fmt.Sprintf(format, args...))
}

// take returns the value of a key, or of its former name, and the spelling it was found under.
func (p *parser) take(key string) (v any, spelling string, ok bool) {
	p.seen[key] = true
	if v := p.values[key]; v != nil {
		return v, key, true
	}
	for _, former := range slices.Sorted(maps.Keys(formerNames)) {
		if v := p.values[former]; formerNames[former] == key && v != nil {
			return v, former, true
		}
	}
	return nil, key, false
}

func (p *parser) duration(key string, to *time.Duration) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	d, err := value.Duration(v, time.Second)
	switch {
	case err != nil:
		p.refuse(key, "%v", err)
	case d < 0:
		p.refuse(key, "%s is less than 0", value.Show(v))
	default:
		*to = d
	}
}

func (p *parser) size(key string, to *int64, least int64) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	n, err := value.Bytes(v, 1)
	switch {
	case err != nil:
		p.refuse(key, "%v", err)
	case n < least:
		p.refuse(key, "%s is less than %d", value.Show(v), least)
	default:
		*to = n
	}
}

func (p *parser) count(key string, to *int, least int64) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	n, err := value.Int(v)
	switch {
	case err != nil:
		p.refuse(key, "%v", err)
	case n < least || n > 1<<31-1:
		p.refuse(key, "%s is not allowed: at least %d", value.Show(v), least)
	default:
		*to = int(n)
	}
}

func (p *parser) flag(key string, to *bool) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	b, err := value.Bool(v)
	if err != nil {
		p.refuse(key, "%v", err)
		return
	}
	*to = b
}

func (p *parser) synchronousMode(to *SynchronousMode) {
	v, key, ok := p.take("synchronous_mode")
	if !ok {
		return
	}
	if s, isText := v.(string); isText && strings.EqualFold(strings.TrimSpace(s), string(SynchronousQuorum)) {
		*to = SynchronousQuorum
		return
	}
	on, err := value.Bool(v)
	switch {
	case err != nil:
		p.refuse(key, "%s is not allowed: on, off or quorum", value.Show(v))
	case on:
		*to = SynchronousOn
	default:
		*to = SynchronousOff
	}
}

func (p *parser) table(key string, to *map[string]any) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		p.refuse(key, "%s is not allowed: a map is", value.Show(v))
		return
	}
	*to = m
}

func (p *parser) slots(to *map[string]any) {
	for _, key := range slotKeys {
		var found map[string]any
		if p.table(key, &found); len(*to) == 0 && len(found) > 0 {
			*to = found
		}
	}
}

func (p *parser) tables(key string, to *[]map[string]any) {
	v, key, ok := p.take(key)
	if !ok {
		return
	}
	list, ok := v.([]any)
	if !ok {
		p.refuse(key, "%s is not allowed: a list of maps is", value.Show(v))
		return
	}
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			p.refuse(fmt.Sprintf("%s[%d]", key, i), "%s is not allowed: a map is", value.Show(item))
			continue
		}
		*to = append(*to, m)
	}
}

func (p *parser) unknown() {
	for _, key := range slices.Sorted(maps.Keys(p.values)) {
		switch {
		case p.seen[key] || formerNames[key] != "":
		case key == "primary_race_backoff":
			p.warn(key, "has no effect: candidates don't wait for one another")
		default:
			p.warn(key, "is no setting of a cluster; it has no effect")
		}
	}
}
