package kubernetes

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// openHere returns a handle in the namespace default with all rights.
func openHere(t *testing.T, k *testenv.KubernetesCluster, o Options) *DCS {
	t.Helper()
	if o.Server == nil {
		o.Server = &rest.Config{Host: k.URL(), BearerToken: k.Token, TLSClientConfig: rest.TLSClientConfig{CAFile: k.CA}}
	}
	if o.Path.Scope == "" {
		o.Path.Scope = "demo"
	}
	o.Labels = map[string]string{"application": "regent"}
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func acquireHere(t *testing.T, d *DCS) dcs.Lease {
	t.Helper()
	var l dcs.Lease
	testenv.Eventually(t, 20*time.Second, "the leader key", func() (err error) {
		l, err = d.AttemptToAcquireLeader(t.Context())
		return err
	})
	return l
}

// A leader stands still between the confirmation of its grant and the write of a
// document elsewhere; when it goes on, somebody else leads.
func TestPreparedWriteOfAFormerLeader(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	a := openHere(t, k, Options{Name: "a", TTL: time.Second})
	b := openHere(t, k, Options{Name: "b"})
	ctx := t.Context()
	for _, key := range []dcs.Key{dcs.SyncKey, dcs.HistoryKey} {
		l := acquireHere(t, a)
		_, others, err := a.plan([]dcs.Write{{Key: key, Value: []byte(`[1]`), Prev: dcs.Any}})
		if err != nil || a.prepare(ctx, others) != nil {
			t.Fatal(err)
		}
		if _, err := a.renew(ctx, l.ID, newEdit(a.names.leader), true); err != nil {
			t.Fatal(err)
		}
		lb := acquireHere(t, b)
		err = a.writeElsewhere(ctx, l.ID, others[0])
		var refused *dcs.RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, dcs.ErrLost) || refused.Holder == nil || refused.Holder.Name != "b" {
			t.Errorf("%s: the former leader's write: %v", key, err)
		}
		s, err := b.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if doc, ok := s.Documents[key]; ok {
			t.Errorf("%s is %s", key, doc.Value)
		}
		if err := b.ReleaseLeader(ctx, lb); err != nil {
			t.Fatal(err)
		}
	}
}

// The write of a prepared object that somebody else changed is made again, if the
// grant still holds.
func TestPreparedWriteOverAnothers(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	a := openHere(t, k, Options{Name: "a"})
	ctx := t.Context()
	l := acquireHere(t, a)
	_, others, err := a.plan([]dcs.Write{{Key: dcs.HistoryKey, Value: []byte(`[]`), Prev: dcs.Absent}})
	if err != nil || a.prepare(ctx, others) != nil {
		t.Fatal(err)
	}
	if _, err := a.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
		t.Fatal(err)
	}
	if err := a.writeElsewhere(ctx, l.ID, others[0]); err != nil {
		t.Error(err)
	}
	s, err := a.Read(ctx)
	if err != nil || string(s.Documents[dcs.HistoryKey].Value) != "[]" || string(s.Documents[dcs.ConfigKey].Value) != "{}" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRestartGoesOnCounting(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	const ttl = 4 * time.Second
	file := filepath.Join(t.TempDir(), "observed")
	a := openHere(t, k, Options{Name: "a", TTL: ttl})
	l := acquireHere(t, a)
	b := openHere(t, k, Options{Name: "b", Observed: file})
	held := func(d *DCS) bool {
		t.Helper()
		s, err := d.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Leader != nil
	}
	if !held(b) {
		t.Fatal("nobody leads")
	}
	b.Close()
	testenv.Eventually(t, 20*time.Second, "the end of the grant", func() error {
		if a.clock.Now().Before(l.End().Add(time.Second)) {
			return errors.New("not yet")
		}
		return nil
	})
	again := openHere(t, k, Options{Name: "b", Observed: file})
	if held(again) {
		t.Error("the restarted member counts anew")
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(text, []byte(clock.BootID())) {
		t.Fatalf("%s, %v", text, err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.ReplaceAll(text, []byte(clock.BootID()), []byte("another")))
	if !held(openHere(t, k, Options{Name: "b", Observed: file})) {
		t.Error("an instant of another boot counts")
	}
	write([]byte("{trunc"))
	if !held(openHere(t, k, Options{Name: "b", Observed: file})) {
		t.Error("a file that can't be read counts")
	}
}

// The key is absent only where the rest of the cluster is there.
func TestLeaderObjectGone(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	a := openHere(t, k, Options{Name: "a"})
	ctx := t.Context()
	l := acquireHere(t, a)
	const path = "/api/v1/namespaces/default/configmaps/"
	k.Do(t, "DELETE", path+"demo-leader", nil)
	var refused *dcs.RefusedError
	if _, err := a.UpdateLeader(ctx, l); !errors.As(err, &refused) || refused.Holder != nil || !errors.Is(err, dcs.ErrLost) {
		t.Errorf("with the config object: %v", err)
	}
	l = acquireHere(t, a)
	k.Do(t, "DELETE", path+"demo-leader", nil)
	k.Do(t, "DELETE", path+"demo-config", nil)
	if _, err := a.UpdateLeader(ctx, l); err == nil || errors.Is(err, dcs.ErrLost) {
		t.Errorf("without it: %v", err)
	}
	if err := a.ReleaseLeader(ctx, l); err == nil || errors.Is(err, dcs.ErrLost) {
		t.Errorf("a release without it: %v", err)
	}
}
