package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestSnapshot(t *testing.T) {
	s := newSite(t, "a", "b", "c")
	peers := fmt.Sprintf("a=http://%s,b=http://%s,c=http://%s", s.peer["a"], s.peer["b"], s.peer["c"])
	tell(t, 0, "init", "--name", "a", "--data-dir", s.dir["a"], "--listen-peer", "http://"+s.peer["a"])
	s.run("a").ready()
	s.put("a", "k", "saved")
	file := filepath.Join(t.TempDir(), "store.snapshot")
	if out := tell(t, 0, "snapshot", "save", file, "--endpoints", s.endpoint("a")); !strings.Contains(out, "keys at revision") {
		t.Error(out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the snapshot, which has all that the store has: %v, %v", info, err)
	}
	if out := tell(t, 1, "snapshot", "save", file, "--endpoints", s.endpoint("a")); !strings.Contains(out, "is there already") {
		t.Error(out)
	}
	s.put("a", "k", "after")
	revision := currentRevision(t, s, "a")
	s.members["a"].stop()

	restoreOf := func(code int, name, from string, more ...string) string {
		return tell(t, code, append([]string{"snapshot", "restore", from, "--name", name, "--data-dir", s.dir[name], "--listen-peer", "http://" + s.peer[name],
			"--initial-cluster", peers}, more...)...)
	}
	if out := restoreOf(1, "a", file); !strings.Contains(out, "is not empty") {
		t.Error(out)
	}
	kept := s.dir["a"]
	s.dir["a"] = filepath.Join(t.TempDir(), "restored")
	damaged := filepath.Join(t.TempDir(), "damaged")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	restoreOf(1, "a", damaged)
	s.dir["a"] = filepath.Join(t.TempDir(), "restored")
	for _, name := range []string{"a", "b", "c"} {
		restoreOf(0, name, file, "--away", "2s")
	}
	for _, name := range []string{"a", "b", "c"} {
		s.run(name)
	}
	for _, name := range []string{"a", "b", "c"} {
		s.members[name].ready()
		s.wantValue(name, "k", "saved")
	}
	if out := s.members["a"].printed(); !strings.Contains(out, "waiting") {
		t.Errorf("it began at once: %s", out)
	}
	if now := currentRevision(t, s, "a"); now <= revision {
		t.Errorf("revision %d came again: it is %d", revision, now)
	}
	if !holdsData(kept) {
		t.Error("the former data directory is gone")
	}
}

func currentRevision(t *testing.T, s *site, name string) int64 {
	t.Helper()
	got, err := client(t, s.client[name]).Get(limited(t), "k", clientv3.WithCountOnly())
	if err != nil {
		t.Fatal(err)
	}
	return got.Header.Revision
}
