package dcs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// object writes a JSON object with its keys in the order they are given:
// compact and ASCII only, as the other writers of these documents do.
type object struct {
	buf bytes.Buffer
	err error
}

func (o *object) field(name string, value any) {
	if o.err != nil {
		return
	}
	encoded, err := encode(value)
	if err != nil {
		o.err = fmt.Errorf("dcs: encode %s: %w", name, err)
		return
	}
	if o.buf.Len() == 0 {
		o.buf.WriteByte('{')
	} else {
		o.buf.WriteByte(',')
	}
	key, _ := encode(name)
	o.buf.Write(key)
	o.buf.WriteByte(':')
	o.buf.Write(encoded)
}

// text writes a string unless it is empty.
func (o *object) text(name, value string) {
	if value != "" {
		o.field(name, value)
	}
}

// number writes n unless it is zero.
func (o *object) number(name string, n uint64) {
	if n != 0 {
		o.field(name, n)
	}
}

// extra writes the fields that were kept, sorted.
func (o *object) extra(fields map[string]json.RawMessage) {
	for _, name := range sortedKeys(fields) {
		o.field(name, fields[name])
	}
}

func (o *object) bytes() ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	if o.buf.Len() == 0 {
		return []byte("{}"), nil
	}
	o.buf.WriteByte('}')
	return o.buf.Bytes(), nil
}

// encode is compact JSON in ASCII.
func encode(value any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return ascii(bytes.TrimRight(buf.Bytes(), "\n")), nil
}

// ascii escapes what lies outside of printable ASCII. In valid JSON such
// characters stand inside strings only.
func ascii(text []byte) []byte {
	if !slices.ContainsFunc(text, func(b byte) bool { return b >= 0x7f }) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// decodeObject reads a JSON object; ok is false for anything else.
func decodeObject(value []byte) (fields map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(value, &fields)
	return fields, err == nil && fields != nil
}

// decodeAny reads any JSON value with its numbers as int where they are whole,
// as float64 where that says the same, else as json.Number.
func decodeAny(value []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return plainNumbers(v), nil
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && strconv.FormatFloat(f, 'g', -1, 64) == v.String() {
			return f
		}
	}
	return v
}

// scalar is the text of a JSON string, number, true or false.
func scalar(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '"':
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
