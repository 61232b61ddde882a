package zookeeper

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNamesSurviveTheirPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if got := unescape(escape(name)); got != name {
			t.Errorf("%q became %q by %q", name, got, escape(name))
		}
	})
	for name, want := range map[string]string{"node-0.example.org": "node-0.example.org", "50%": "50%", "a/b": "a%2Fb", "%2F": "%252F", "..": "%2E%2E", "\x00": "%00", "ü": "ü"} {
		if got := escape(name); got != want {
			t.Errorf("%q is written as %q, want %q", name, got, want)
		}
	}
}
