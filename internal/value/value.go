// Package value reads what people write as a setting's value in YAML and JSON:
// switches, whole numbers, and numbers with one of PostgreSQL's units
// (PostgreSQL documentation, "Parameter Names and Values").
//
// Every error is the end of a line that begins with the key: it names the value
// and what is allowed instead.
package value

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bool reads a switch.
func Bool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "on", "true", "yes", "1":
			return true, nil
		case "off", "false", "no", "0":
			return false, nil
		}
	default:
		if n, err := number(v); err == nil && (n == 0 || n == 1) {
			return n == 1, nil
		}
	}
	return false, fmt.Errorf("%s is no switch: allowed are on, true, yes, 1 and off, false, no, 0", Show(v))
}

// Int reads a whole number; fractions are rounded.
func Int(v any) (int64, error) {
	n, err := number(v)
	if err != nil || math.Abs(n) >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is no whole number", Show(v))
	}
	if exact, ok := exactInt(v); ok {
		return exact, nil
	}
	return int64(math.Round(n)), nil
}

// Duration reads a time; a bare number counts in base.
func Duration(v any, base time.Duration) (time.Duration, error) {
	n, unit, ok := split(v)
	factor := float64(base)
	if unit != "" {
		factor, ok = float64(durations[unit]), ok && durations[unit] != 0
	}
	if !ok || math.Abs(n*factor) > maxDuration {
		return 0, fmt.Errorf("%s is no time: allowed is a number of %s or one with a unit: us, ms, s, min, h, d", Show(v), plural(base))
	}
	return time.Duration(math.Round(n * factor)), nil
}

// Bytes reads a size; a bare number counts in base bytes.
func Bytes(v any, base int64) (int64, error) {
	n, unit, ok := split(v)
	factor := float64(base)
	if unit != "" {
		factor, ok = float64(sizes[unit]), ok && sizes[unit] != 0
	}
	if !ok || math.Abs(n*factor) >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is no size: allowed is a number of %s or one with a unit: B, kB, MB, GB, TB", Show(v), sizeName(base))
	}
	if exact, isInt := exactInt(v); isInt && unit == "" && base == 1 {
		return exact, nil
	}
	return int64(math.Round(n * factor)), nil
}

// Text reads a scalar as PostgreSQL would be given it: a switch is on or off.
func Text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		if v {
			return "on", nil
		}
		return "off", nil
	case json.Number:
		return v.String(), nil
	}
	if exact, ok := exactInt(v); ok {
		return strconv.FormatInt(exact, 10), nil
	}
	if n, err := number(v); err == nil {
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("%s is no text, number or switch", Show(v))
}

// Show renders a value for an error: short, and of lists and maps only what they
// are, since they may hold secrets.
func Show(v any) string {
	const longest = 60
	switch v := v.(type) {
	case nil:
		return "an empty value"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	case string:
		if r := []rune(v); len(r) > longest {
			v = string(r[:longest]) + "…"
		}
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

// maxDuration is the longest time that is taken: three of them can be added.
const maxDuration = float64(90 * 365 * 24 * time.Hour)

var durations = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
	"min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

var sizes = map[string]int64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

// split takes a number and its unit apart.
func split(v any) (n float64, unit string, ok bool) {
	s, isText := v.(string)
	if !isText {
		n, err := number(v)
		return n, "", err == nil
	}
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, "0123456789.") + 1
	n, err := number(s[:end])
	return n, strings.TrimSpace(s[end:]), err == nil
}

func number(v any) (float64, error) {
	var n float64
	var err error
	switch v := v.(type) {
	case int:
		n = float64(v)
	case int64:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	case json.Number:
		n, err = v.Float64()
	case string:
		n, err = strconv.ParseFloat(strings.TrimSpace(v), 64)
	default:
		err = strconv.ErrSyntax
	}
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
		err = strconv.ErrRange
	}
	return n, err
}

// exactInt is v where a float64 would lose digits.
func exactInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func plural(base time.Duration) string {
	if base == time.Millisecond {
		return "milliseconds"
	}
	return "seconds"
}

func sizeName(base int64) string {
	for unit, size := range sizes {
		if size == base && unit != "B" {
			return unit
		}
	}
	return "bytes"
}
