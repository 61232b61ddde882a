package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// The dynamic configuration is kept once there is a finished cluster, and not in a
// directory that is still being filled.
func TestDynamicFile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	f := NewDynamicFile(data, slog.New(slog.DiscardHandler))
	want := map[string]any{"ttl": 30.0, "postgresql": map[string]any{"use_slots": true}}
	write := func() map[string]any {
		t.Helper()
		f.Write()
		f.Close()
		values, _, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	f.Keep(want)
	if got := write(); got != nil {
		t.Errorf("without a data directory: %v", got)
	}
	if err := os.MkdirAll(filepath.Join(data, "global"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(data, "global", "pg_control"), data + ".incomplete"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := write(); got != nil {
		t.Errorf("in an incomplete directory: %v", got)
	}
	if err := os.Remove(data + ".incomplete"); err != nil {
		t.Fatal(err)
	}
	if got := write(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(data, "*.new")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	f.Keep(map[string]any{"ttl": 20.0})
	if got := write(); !reflect.DeepEqual(got, map[string]any{"ttl": 20.0}) {
		t.Errorf("after a change: %v", got)
	}
	if err := os.WriteFile(f.path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Read(); err == nil {
		t.Error("half a file was read")
	}
}
