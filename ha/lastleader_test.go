package ha

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
)

func TestLeaderNote(t *testing.T) {
	c := dcs.Cluster{Initialize: dcs.Initialized{Present: true, SystemID: ourSystem}}
	var n LeaderNote
	step := func(what string, want LeaderNote) {
		t.Helper()
		n = n.next(c, "demo")
		if diff := cmp.Diff(want, n); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	want := LeaderNote{SystemID: ourSystem, Scope: "demo"}
	step("nobody has led", want)
	c.Leader = &dcs.Holder{Name: "a", Grant: "g1"}
	want.Name, want.Grant = "a", "g1"
	step("no entry", want)
	c.Members = []dcs.Member{{Name: "a", Regent: "1.0", ConnURL: "postgres://a", APIURL: "http://a"}}
	want.Ours, want.ConnURL, want.APIURL = true, "postgres://a", "http://a"
	step("an entry", want)
	c.Leader, c.Members = nil, nil
	step("who led last stays", want)
	c.Leader = &dcs.Holder{Name: "a", Grant: "g2"}
	want.Grant = "g2"
	step("under another grant", want)
	c.Leader = &dcs.Holder{Name: "b", Grant: "g3"}
	want = LeaderNote{SystemID: ourSystem, Scope: "demo", Name: "b", Grant: "g3"}
	step("another leader", want)
	c.Initialize.SystemID, c.Leader = otherSystem, nil
	step("another cluster", LeaderNote{SystemID: otherSystem, Scope: "demo"})
}

func TestLeaderFile(t *testing.T) {
	data, run := t.TempDir(), t.TempDir()
	f, err := NewFiles(fence.Options{DataDir: data, RunDir: run}, "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(f.leader()), 0o700); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want LeaderNote, fails bool) {
		t.Helper()
		got, err := f.ReadLeader()
		if got != want || (err != nil) != fails {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	expect("no file", LeaderNote{}, false)
	if err := f.WriteLeader(aSeen()); err != nil {
		t.Fatal(err)
	}
	expect("written", aSeen(), false)
	other := []byte(`{"name": "a", "grant": "g1", "boot_id": "another"}`)
	for what, text := range map[string][]byte{"another boot": other, "no boot": []byte(`{"name": "a"}`)} {
		if err := os.WriteFile(f.leader(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		expect(what, LeaderNote{}, false)
	}
	if err := os.WriteFile(f.leader(), []byte("half a no"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("broken", LeaderNote{}, true)
}
