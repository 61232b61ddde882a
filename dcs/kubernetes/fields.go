package kubernetes

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/regent-ha/regent/dcs"
)

// shape is how a field of a document reads as an annotation.
type shape int

const (
	text   shape = iota // as it is
	number              // its digits
	nested              // JSON
	list                // JSON, with a blank after each comma
)

// field of a document that is spread over annotations.
type field struct {
	name  string
	shape shape
}

// fields are how a JSON object is spread: its known ones in their order, all
// others by their names.
type fields struct {
	known []field
	nulls bool     // what is absent beside others is written as null
	taken []string // annotations of the same object that aren't fields
}

func fieldsOf(key dcs.Key) (fields, bool) {
	switch key {
	case dcs.StatusKey:
		return fields{
			known: []field{{"optime", number}, {"slots", nested}, {"retain_slots", list}},
			taken: []string{leaderAnnotation, acquireTimeAnnotation, renewTimeAnnotation, ttlAnnotation, transitionsAnnotation, string(dcs.FailsafeKey)},
		}, true
	case dcs.FailoverKey:
		return fields{known: []field{{"leader", text}, {"member", text}, {"scheduled_at", text}}}, true
	case dcs.SyncKey:
		return fields{known: []field{{"leader", text}, {"quorum", number}, {"sync_standby", text}}, nulls: true}, true
	}
	return fields{}, false
}

func (f fields) isTaken(name string) bool {
	return strings.Contains(name, "/") || slices.Contains(f.taken, name)
}

// own are the annotations that are fields.
func (f fields) own(annotations map[string]string) map[string]string {
	own := map[string]string{}
	for name, value := range annotations {
		if !f.isTaken(name) {
			own[name] = value
		}
	}
	return own
}

// value puts the document together again. What was kept of it as a whole counts
// as long as nobody changed the fields since.
func (f fields) value(annotations map[string]string, whole string) (value string, ok bool) {
	own := f.own(annotations)
	if kept, ok := annotations[whole]; ok && maps.Equal(f.annotations([]byte(kept)), own) {
		return kept, true
	}
	if len(own) == 0 {
		return "", false
	}
	return f.join(own), true
}

// spread is the patch that makes the document be value.
func (f fields) spread(value []byte, annotations map[string]string, whole string) map[string]any {
	p := map[string]any{whole: nil}
	for name := range f.own(annotations) {
		p[name] = nil
	}
	if value == nil {
		return p
	}
	own := f.annotations(value)
	for name, text := range own {
		p[name] = text
	}
	if len(own) == 0 || f.join(own) != string(value) {
		p[whole] = string(value)
	}
	return p
}

// annotations are the fields of a value; what can't be one is left out.
func (f fields) annotations(value []byte) map[string]string {
	own := map[string]string{}
	var raw map[string]json.RawMessage
	if json.Unmarshal(value, &raw) != nil {
		return own
	}
	for name, value := range raw {
		if f.isTaken(name) || !documentName.MatchString(name) || string(value) == "null" {
			continue
		}
		if text, ok := f.shape(name).annotation(value); ok {
			own[name] = text
		}
	}
	return own
}

func (f fields) shape(name string) shape {
	if i := slices.IndexFunc(f.known, func(k field) bool { return k.name == name }); i >= 0 {
		return f.known[i].shape
	}
	return nested
}

func (s shape) annotation(value json.RawMessage) (string, bool) {
	if value[0] == '"' {
		var text string
		err := json.Unmarshal(value, &text)
		return text, err == nil && utf8.ValidString(text)
	}
	if s == list {
		var items []json.RawMessage
		if json.Unmarshal(value, &items) != nil {
			return "", false
		}
		parts := make([]string, len(items))
		for i, item := range items {
			parts[i] = string(item)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	}
	return string(value), true
}

// join writes the JSON object of the annotations.
func (f fields) join(own map[string]string) string {
	var members []string
	write := func(name string, value []byte) { members = append(members, quote(name)+":"+string(value)) }
	rest := maps.Clone(own)
	for _, k := range f.known {
		annotation, ok := own[k.name]
		delete(rest, k.name)
		switch {
		case ok:
			write(k.name, k.shape.json(annotation))
		case f.nulls:
			write(k.name, []byte("null"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		write(name, nested.json(rest[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// json is the inverse of annotation, where there is one.
func (s shape) json(annotation string) []byte {
	switch s {
	case number:
		if _, err := strconv.ParseUint(annotation, 10, 64); err == nil {
			return []byte(annotation)
		}
	case nested, list:
		if trimmed := strings.TrimSpace(annotation); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
			var compact bytes.Buffer
			if json.Compact(&compact, []byte(trimmed)) == nil {
				return compact.Bytes()
			}
		}
	}
	return []byte(quote(annotation))
}

// quote is a JSON string in ASCII, as the other writers of these documents have it.
func quote(s string) string {
	var encoded bytes.Buffer
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string can always be encoded
	var out strings.Builder
	for _, r := range strings.TrimSuffix(encoded.String(), "\n") {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			out.WriteString(escape(0xd800+r>>10) + escape(0xdc00+r&0x3ff))
		default:
			out.WriteString(escape(r))
		}
	}
	return out.String()
}

func escape(r rune) string { return `\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:] }
