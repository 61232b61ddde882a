package value

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestBool(t *testing.T) {
	for _, v := range []any{true, "on", "Yes", " TRUE ", "1", 1, 1.0, json.Number("1")} {
		if b, err := Bool(v); err != nil || !b {
			t.Errorf("Bool(%#v) = %v, %v", v, b, err)
		}
	}
	for _, v := range []any{false, "off", "No", "false", "0", 0, json.Number("0")} {
		if b, err := Bool(v); err != nil || b {
			t.Errorf("Bool(%#v) = %v, %v", v, b, err)
		}
	}
	for _, v := range []any{nil, "maybe", 2, "", []any{true}, map[string]any{}} {
		if _, err := Bool(v); err == nil {
			t.Errorf("Bool(%#v) has no error", v)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, test := range []struct {
		in   any
		want time.Duration
	}{
		{10, 10 * time.Second}, {"10", 10 * time.Second}, {"10s", 10 * time.Second}, {"30min", 30 * time.Minute},
		{"1 h", time.Hour}, {"2d", 48 * time.Hour}, {"500ms", 500 * time.Millisecond}, {0.5, 500 * time.Millisecond},
		{json.Number("20"), 20 * time.Second}, {-1, -time.Second}, {"1.5min", 90 * time.Second},
	} {
		if d, err := Duration(test.in, time.Second); err != nil || d != test.want {
			t.Errorf("Duration(%#v) = %v, %v, want %v", test.in, d, err, test.want)
		}
	}
	for _, v := range []any{nil, "", "s", "10 parsecs", "10S", true, math.Inf(1), math.NaN(), "1e300", int64(math.MaxInt64), []any{1}} {
		if d, err := Duration(v, time.Second); err == nil {
			t.Errorf("Duration(%#v) = %v has no error", v, d)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, test := range []struct {
		in   any
		base int64
		want int64
	}{
		{1048576, 1, 1 << 20}, {"1MB", 1, 1 << 20}, {"16kB", 1, 16 << 10}, {"1GB", 1 << 20, 1 << 30},
		{128, 1 << 20, 128 << 20}, {"-1", 1, -1}, {int64(1<<62 + 1), 1, 1<<62 + 1},
	} {
		if n, err := Bytes(test.in, test.base); err != nil || n != test.want {
			t.Errorf("Bytes(%#v, %d) = %d, %v, want %d", test.in, test.base, n, err, test.want)
		}
	}
	for _, v := range []any{"1mb", "1 XB", "", nil, "9999999TB"} {
		if n, err := Bytes(v, 1); err == nil {
			t.Errorf("Bytes(%#v) = %d has no error", v, n)
		}
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		in   any
		want string
	}{{true, "on"}, {false, "off"}, {100, "100"}, {0.9, "0.9"}, {float64(100), "100"}, {"x", "x"}, {json.Number("1.50"), "1.50"}} {
		if s, err := Text(test.in); err != nil || s != test.want {
			t.Errorf("Text(%#v) = %q, %v, want %q", test.in, s, err, test.want)
		}
	}
	if _, err := Text([]any{"a"}); err == nil {
		t.Error("a list is text")
	}
}

func TestShowKeepsListsAndMapsToItself(t *testing.T) {
	for _, v := range []any{[]any{"hunter2"}, map[string]any{"password": "hunter2"}} {
		if s := Show(v); strings.Contains(s, "hunter2") {
			t.Errorf("Show(%T) = %s", v, s)
		}
	}
	if s := Show(strings.Repeat("é", 100)); s != `"`+strings.Repeat("é", 60)+`…"` {
		t.Errorf("Show of a long text = %s", s)
	}
}
