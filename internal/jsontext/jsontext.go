// Package jsontext writes JSON as Patroni's programs do, for readers who compare
// text: fields in a chosen order, ", " and ": " between the elements, and nothing
// but ASCII.
package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
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
func (o *Object) MarshalJSON() ([]byte, error) { return Encode(o) }

// Encode writes any value that encoding/json can.
func Encode(value any) ([]byte, error) { return add(make([]byte, 0, 1024), value) }

// add writes value behind out. What answers consist of goes straight there:
// encoding/json would copy the text of every object once for each one around it.
func add(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case uint64:
		return strconv.AppendUint(out, v, 10), nil
	case string:
		if plain(v) {
			return append(append(append(out, '"'), v...), '"'), nil
		}
	case *Object:
		if v != nil {
			return addObject(out, v)
		}
	case []*Object:
		if v != nil {
			return addObjects(out, v)
		}
	}
	text, err := compact(value)
	if err != nil {
		return nil, err
	}
	return addSpaced(out, text), nil
}

func addObject(out []byte, o *Object) (_ []byte, err error) {
	out = append(out, '{')
	for i, name := range o.names {
		if i > 0 {
			out = append(out, ", "...)
		}
		if out, err = add(out, name); err != nil {
			return nil, err
		}
		out = append(out, ": "...)
		if out, err = add(out, o.values[i]); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
	}
	return append(out, '}'), nil
}

func addObjects(out []byte, list []*Object) (_ []byte, err error) {
	out = append(out, '[')
	for i, o := range list {
		if i > 0 {
			out = append(out, ", "...)
		}
		if out, err = add(out, o); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// plain says whether text is written as it is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
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

// addSpaced writes the compact JSON text behind out.
func addSpaced(out, text []byte) []byte {
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
	return out
}
