package dcs

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseCluster gives a Snapshot its types. It never fails: what isn't as the
// layout says is named in Problems and left out.
func ParseCluster(s Snapshot) Cluster {
	p := &problems{}
	c := Cluster{
		Sent:       s.Sent,
		Leader:     s.Leader,
		Initialize: parseInitialize(s.Documents, p),
		Config:     parseConfiguration(s.Documents, p),
		Status:     parseStatus(s.Documents, p),
		Failover:   parseFailover(s.Documents, p),
		Sync:       parseSync(s.Documents, p),
		History:    parseHistory(s.Documents, p),
		Failsafe:   parseFailsafe(s.Documents, p),
	}
	for key, doc := range s.Documents {
		if name, ok := key.MemberName(); ok && name != "" {
			c.Members = append(c.Members, parseMember(name, doc, p))
		}
	}
	slices.SortFunc(c.Members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(p.lines)
	c.Problems = p.lines
	return c
}

// problems collects what was odd.
type problems struct{ lines []string }

func (p *problems) add(key Key, format string, args ...any) {
	p.lines = append(p.lines, string(key)+": "+fmt.Sprintf(format, args...))
}

// excerpt quotes the beginning of a value.
func excerpt[T ~string | ~[]byte](value T) string {
	const most = 60
	if len(value) > most {
		return strconv.QuoteToASCII(string(value[:most])) + "..."
	}
	return strconv.QuoteToASCII(string(value))
}

// fields takes the known fields out of a JSON object, one by one; what is left
// at the end is kept as it is. JSON null counts as absent, and is dropped.
type fields struct {
	key      Key
	raw      map[string]json.RawMessage
	problems *problems
}

func (f *fields) take(name string) (json.RawMessage, bool) {
	raw, ok := f.raw[name]
	delete(f.raw, name)
	return raw, ok && string(raw) != "null"
}

func (f *fields) odd(name string, raw json.RawMessage, want string) {
	f.problems.add(f.key, "field %s is %s, not %s", name, excerpt(raw), want)
}

func (f *fields) text(name string) string {
	raw, ok := f.take(name)
	if !ok {
		return ""
	}
	text, ok := scalar(raw)
	if !ok {
		f.odd(name, raw, "a string")
	}
	return text
}

func (f *fields) number(name string) uint64 {
	raw, ok := f.take(name)
	if !ok {
		return 0
	}
	n, ok := wholeNumber(raw)
	if !ok {
		f.odd(name, raw, "a whole number of zero or more")
	}
	return n
}

func (f *fields) boolean(name string) (value, ok bool) {
	raw, ok := f.take(name)
	if !ok {
		return false, false
	}
	text, _ := scalar(raw)
	value, ok = parseBool(text)
	if !ok {
		f.odd(name, raw, "true or false")
	}
	return value, ok
}

// rest is what no one took; nil if there is nothing.
func (f *fields) rest() map[string]json.RawMessage {
	if len(f.raw) == 0 {
		return nil
	}
	return f.raw
}

// wholeNumber reads a number or a string with one: some writers quote theirs.
func wholeNumber(raw json.RawMessage) (uint64, bool) {
	text, ok := scalar(raw)
	if !ok {
		return 0, false
	}
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f != math.Trunc(f) || f > 1<<53 {
		return 0, false
	}
	return uint64(f), true
}

// parseBool reads what PostgreSQL and YAML call true and false.
func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "on", "yes", "1":
		return true, true
	case "false", "off", "no", "0":
		return false, true
	}
	return false, false
}
