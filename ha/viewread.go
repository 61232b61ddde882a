package ha

import (
	"bytes"
	"encoding/json"
	"errors"
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

// readView reads what writeView has written. A field that this release doesn't
// have is an error: a decision that depended on it can't be made again.
func readView(text []byte) (view, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return view{}, fmt.Errorf("ha: read a view: %w", err)
	}
	now, err := time.ParseDuration(fmt.Sprint(tree["Now"]))
	if err != nil {
		return view{}, errors.New("ha: read a view: Now is missing or no duration")
	}
	v := view{Now: clock.Instant(now)}
	delete(tree, "Now")
	if err := (viewReader{v.Now}).fields(reflect.ValueOf(&v).Elem(), tree); err != nil {
		return view{}, fmt.Errorf("ha: read a view: %w", err)
	}
	return v, nil
}

type viewReader struct{ now clock.Instant }

// value sets v to what the tree of JSON says.
func (r viewReader) value(v reflect.Value, tree any) error {
	switch {
	case v.Kind() == reflect.Interface:
		return setFree(v, tree)
	case v.Kind() == reflect.Pointer && tree != nil:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem(), tree)
	}
	switch tree := tree.(type) {
	case string:
		return r.text(v, tree)
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(tree)
			return nil
		}
	case json.Number:
		return setNumber(v, tree)
	case []any:
		if v.Kind() == reflect.Slice && v.Type() != bytesType && v.Type() != rawType {
			return r.elements(v, tree)
		}
	case map[string]any:
		switch {
		case v.Kind() == reflect.Map:
			return r.entries(v, tree)
		case v.Kind() == reflect.Struct && v.Type() != timeType:
			return r.fields(v, tree)
		}
	}
	return fmt.Errorf("%v is no %s", tree, v.Type())
}

func (r viewReader) text(v reflect.Value, text string) error {
	var err error
	switch v.Type() {
	case instantType:
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(r.now.Add(d)))
		return err
	case durationType:
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case timeType:
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, text)
		v.Set(reflect.ValueOf(t))
		return err
	case lsnType:
		var l postgres.LSN
		l, err = postgres.ParseLSN(text)
		v.SetUint(uint64(l))
		return err
	case rawType, bytesType:
		v.SetBytes([]byte(text))
		return nil
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	return fmt.Errorf("%q is no %s", text, v.Type())
}

func (r viewReader) fields(v reflect.Value, tree map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		field := v.FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("this release knows no field %s", name)
		}
		if err := r.value(field, tree[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r viewReader) entries(v reflect.Value, tree map[string]any) error {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(tree)))
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(element, tree[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), element)
	}
	return nil
}

func (r viewReader) elements(v reflect.Value, tree []any) error {
	v.Set(reflect.MakeSlice(v.Type(), len(tree), len(tree)))
	for i := range tree {
		if err := r.value(v.Index(i), tree[i]); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func setNumber(v reflect.Value, n json.Number) error {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		if v.Type() == instantType || v.Type() == durationType {
			break // it would lack a unit
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		v.SetInt(i)
		return err
	case reflect.Uint32, reflect.Uint64:
		i, err := strconv.ParseUint(n.String(), 10, v.Type().Bits())
		v.SetUint(i)
		return err
	}
	return fmt.Errorf("%s is no %s", n, v.Type())
}

// setFree sets a value of a configuration or a tag.
func setFree(v reflect.Value, tree any) error {
	value, err := freeValue(tree)
	if err == nil && value != nil {
		v.Set(reflect.ValueOf(value))
	}
	return err
}

func freeValue(tree any) (any, error) {
	var err error
	switch t := tree.(type) {
	case json.Number:
		if strings.ContainsAny(t.String(), ".eE") {
			return t.Float64()
		}
		return strconv.Atoi(t.String())
	case []any:
		for i := range t {
			if t[i], err = freeValue(t[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if text, ok := t[numberWord].(string); ok && len(t) == 1 {
			return json.Number(text), nil
		}
		for name := range t {
			if t[name], err = freeValue(t[name]); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}
