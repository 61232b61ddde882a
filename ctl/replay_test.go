package ctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regent-ha/regent/ha"
)

// lostStore is what a replica decides that can't read the store, and what from.
func lostStore() ha.Decision {
	return ha.Decision{At: today, Rule: "store-lost", Reason: "DCS is not accessible: connection refused", View: json.RawMessage(
		`{"Now":"16m40s","Wall":"2026-11-23T12:30:45.123456789+01:00","Self":{"Name":"db-b","Regent":"0.0.9"},"Settings":{"TTL":"30s","LoopWait":"10s","RetryTimeout":"10s"},` +
			`"Store":{"Err":"connection refused","Received":true},"Server":{"Data":"valid","State":"running","Role":"replica","PID":1,"Answers":true}}`)}
}

func TestReplay(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"))
	older := lostStore()
	older.Rule, older.Reason = "follow", "no action"
	c.agents["db-b"].viewed = []ha.Decision{older, lostStore()}
	file := filepath.Join(t.TempDir(), "decision.json")
	said := func(code, want string, args ...string) {
		t.Helper()
		got := strings.ReplaceAll(c.run(t, "", args...), file, "FILE")
		if !strings.Contains(got, want) || !strings.HasSuffix(strings.TrimSpace(got), code) {
			t.Errorf("%v:\n%s\nwithout %q, or no %s", args, got, want, code)
		}
	}
	said("0", "db-b, saved in FILE:\n  2026-11-23 12:30:45.123  DCS is not accessible: connection refused  [store-lost]\n", "explain", "--save", file, "shop", "db-b")
	said("0", "db-b, then, by regent 0.0.9:\n  2026-11-23 12:30:45.123  DCS is not accessible: connection refused  [store-lost]\nregentctl 0.1.0 decides the same.\n", "explain", "--replay", file)
	said("1", "file exists", "explain", "--save", file, "shop", "db-b")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}

	other := filepath.Join(filepath.Dir(file), "other.json")
	said("0", "[follow]", "explain", "--save", other, "--rule", "follow", "shop", "db-b")
	said("1", "  no action  [follow]\nregentctl 0.1.0 decides otherwise:\n  2026-11-23 12:30:45.123  DCS is not accessible: connection refused  [store-lost]\n",
		"explain", "--replay", other)
}

func TestReplayOfWhatIsNone(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"))
	c.agents["db-b"].viewed = []ha.Decision{lostStore()}
	dir := t.TempDir()
	files := map[string]string{"text": "hello", "bare": `{"rule": "lead", "reason": "x"}`, "newer": `{"rule": "lead", "view": {"Now": "1s", "Guess": 1}}`}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "new")
	for want, command := range map[string]string{
		"no such file":                          "--replay DIR/absent",
		"DIR/text holds no saved decision":      "--replay DIR/text",
		"saved without its view":                "--replay DIR/bare",
		"this release knows no field Guess":     "--replay DIR/newer",
		"takes one cluster and one member":      "--save DIR/new shop",
		"db-x is not a member":                  "--save DIR/new shop db-x",
		"db-a remembers no decision with what":  "--save DIR/new shop db-a",
		"remembers no decision by rule vacant ": "--save DIR/new --rule vacant shop db-b",
		"says which decision to --save":         "--rule vacant",
		"it takes a file alone":                 "--replay DIR/text shop",
	} {
		got := strings.ReplaceAll(c.run(t, "", append([]string{"explain"}, strings.Fields(strings.ReplaceAll(command, "DIR", dir))...)...), dir, "DIR")
		if !strings.Contains(got, want) || !strings.HasSuffix(strings.TrimSpace(got), "1") {
			t.Errorf("%s:\n%s", command, got)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was made for nothing")
	}
}
