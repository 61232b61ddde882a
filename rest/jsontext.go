package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// object is a JSON object with its fields in the order they were set.
type object struct {
	names  []string
	values []any
}

func (o *object) set(name string, value any) {
	o.names = append(o.names, name)
	o.values = append(o.values, value)
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			buf.WriteByte(',')
		}
		value, err := compact(o.values[i])
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		fmt.Fprintf(&buf, "%q:%s", name, value)
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

func compact(value any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// jsonText is JSON as readers of this API know it: ", " and ": " between the
// elements, and nothing but ASCII.
func jsonText(value any) ([]byte, error) {
	text, err := compact(value)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for inString, escaped := false, false; len(text) > 0; {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
			continue
		case r >= 0x7f:
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = append(out, byte(r))
		if !inString && (r == ',' || r == ':') {
			out = append(out, ' ')
		}
		if r == '"' && !escaped {
			inString = !inString
		}
		escaped = r == '\\' && !escaped
	}
	return out, nil
}
