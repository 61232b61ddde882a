// Package jsontext writes JSON as Patroni's programs do, for readers who compare
// text: fields in a chosen order, ", " and ": " between the elements, and nothing
// but ASCII.
package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Object is a JSON object with its fields in the order they were set.
type Object struct {
	names  []string
	values []any
}

// Set adds a field.
func (o *Object) Set(name string, value any) {
	o.names = append(o.names, name)
	o.values = append(o.values, value)
}

// MarshalJSON implements json.Marshaler.
func (o *Object) MarshalJSON() ([]byte, error) {
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
		key, err := compact(name)
		if err != nil {
			return nil, err
		}
		buf.Write(key)
		buf.WriteByte(':')
		buf.Write(value)
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

// Encode writes any value that encoding/json can.
func Encode(value any) ([]byte, error) {
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
