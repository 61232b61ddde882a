package ha

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// A view is written as JSON with the names that the code has, to be read by
// people and by readView:
//
//   - What is zero, nil or empty is left out. An empty map or list that isn't
//     nil is there.
//   - An instant is its distance from Now: "-1.5s" is a second and a half before.
//     Now itself counts from the machine's start.
//   - Durations are Go's ("10s"), positions in the WAL PostgreSQL's ("0/3000148").
//   - Bytes and JSON that was kept as it came are text.
//   - Secrets are not in it; see conceal.

var (
	instantType  = reflect.TypeFor[clock.Instant]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	lsnType      = reflect.TypeFor[postgres.LSN]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// writeView writes v as one line of JSON.
func writeView(v view) (json.RawMessage, error) {
	w := viewWriter{now: v.Now}
	if err := w.value(reflect.ValueOf(v)); err != nil {
		return nil, fmt.Errorf("ha: write a view: %w", err)
	}
	return w.out.Bytes(), nil
}

type viewWriter struct {
	now clock.Instant
	out bytes.Buffer
}

func (w *viewWriter) value(v reflect.Value) error {
	switch v.Type() {
	case instantType:
		return w.text(clock.Instant(v.Int()).Sub(w.now).String())
	case durationType:
		return w.text(time.Duration(v.Int()).String())
	case timeType:
		return w.text(v.Interface().(time.Time).Format(time.RFC3339Nano))
	case lsnType:
		return w.text(postgres.LSN(v.Uint()).String())
	case rawType, bytesType:
		return w.text(string(v.Bytes()))
	}
	switch v.Kind() {
	case reflect.Struct:
		return w.fields(v)
	case reflect.Map:
		return w.entries(v)
	case reflect.Slice:
		return w.elements(v)
	case reflect.Pointer:
		return w.value(v.Elem())
	case reflect.Interface:
		return w.free(v.Elem())
	case reflect.String:
		return w.text(v.String())
	case reflect.Bool:
		w.out.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int64:
		w.out.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint32, reflect.Uint64:
		w.out.WriteString(strconv.FormatUint(v.Uint(), 10))
	default:
		return fmt.Errorf("a %s has no text", v.Type())
	}
	return nil
}

// fields writes a struct. The view's own Now is what all other instants are
// told by.
func (w *viewWriter) fields(v reflect.Value) error {
	comma := byte('{')
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		if field.IsZero() {
			continue
		}
		w.out.WriteByte(comma)
		comma = ','
		w.name(name)
		err := error(nil)
		if v.Type() == reflect.TypeFor[view]() && field.Type() == instantType {
			err = w.text(time.Duration(field.Int()).String())
		} else {
			err = w.value(field)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if comma == '{' {
		w.out.WriteByte(comma)
	}
	w.out.WriteByte('}')
	return nil
}

func (w *viewWriter) entries(v reflect.Value) error {
	byName := map[string]reflect.Value{}
	for _, key := range v.MapKeys() {
		byName[key.String()] = v.MapIndex(key)
	}
	w.out.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.name(name)
		if isSecret(name, byName[name]) {
			w.out.WriteString(`"` + concealed + `"`)
		} else if err := w.value(byName[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	w.out.WriteByte('}')
	return nil
}

// isSecret says whether an entry of a configuration has a secret by its name.
func isSecret(name string, value reflect.Value) bool {
	if value.Type() == rawType {
		return secretName.MatchString(name)
	}
	_, text := value.Interface().(string)
	return text && secretName.MatchString(name)
}

func (w *viewWriter) elements(v reflect.Value) error {
	w.out.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := w.value(v.Index(i)); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	w.out.WriteByte(']')
	return nil
}

// free writes what stands in a configuration, a tag or an unknown field: any
// JSON. A number that is no int says so by its form.
func (w *viewWriter) free(v reflect.Value) error {
	if !v.IsValid() {
		w.out.WriteString("null")
		return nil
	}
	switch n := v.Interface().(type) {
	case float64:
		text := strconv.FormatFloat(n, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		w.out.WriteString(text)
		return nil
	case json.Number:
		w.out.WriteString(`{"` + numberWord + `":`)
		defer w.out.WriteByte('}')
		return w.text(n.String())
	}
	return w.value(v)
}

// numberWord marks a number that is kept in the store's own form.
const numberWord = "json.Number"

func (w *viewWriter) name(name string) {
	_ = w.quote(name)
	w.out.WriteByte(':')
}

func (w *viewWriter) text(text string) error { return w.quote(conceal(text)) }

func (w *viewWriter) quote(text string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return err
	}
	w.out.Write(bytes.TrimRight(b.Bytes(), "\n"))
	return nil
}
