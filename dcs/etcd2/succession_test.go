package etcd2

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// openHere returns a handle on the cluster demo.
func openHere(t *testing.T, server *testenv.EtcdCluster, o Options) *DCS {
	t.Helper()
	if o.Endpoints == nil {
		o.Endpoints = server.Endpoints()
	}
	o.Path.Scope = "demo"
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

func wantHolder(t *testing.T, what string, err, want error, name string) {
	t.Helper()
	var refused *dcs.RefusedError
	if !errors.Is(err, want) || !errors.As(err, &refused) || refused.Holder == nil || refused.Holder.Name != name {
		t.Errorf("%s: got %v, want %q by %s", what, err, want, name)
	}
}

// A leader stands still between the confirmation of its grant and the write of a
// document; when it goes on, somebody else leads.
func TestPreparedWriteOfAFormerLeader(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	for name, test := range map[string]struct {
		before []byte // the document, nil: there is none
		after  []byte // as the former leader would have it
	}{
		"changes":     {[]byte(`[1]`), []byte(`[2]`)},
		"creates":     {nil, []byte(`[2]`)},
		"deletes":     {[]byte(`[1]`), nil},
		"writes anew": {[]byte(`[1]`), []byte(`[1]`)},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := openHere(t, server, Options{Name: "a", TTL: time.Second}), openHere(t, server, Options{Name: "b"})
			ctx := t.Context()
			if err := b.RemoveCluster(ctx); err != nil {
				t.Fatal(err)
			}
			l := acquireHere(t, a)
			if test.before != nil {
				if _, err := a.UpdateLeader(ctx, l, dcs.Write{Key: dcs.SyncKey, Value: test.before, Prev: dcs.Any}); err != nil {
					t.Fatal(err)
				}
			}
			edits, err := newEdits([]dcs.Write{{Key: dcs.SyncKey, Value: test.after, Prev: dcs.Any}})
			if err != nil {
				t.Fatal(err)
			}
			if conflicted, _, err := a.prepareWrites(ctx, l.ID, edits); err != nil || conflicted != nil {
				t.Fatal(err, conflicted)
			}
			if _, err := a.renew(ctx, l.ID); err != nil {
				t.Fatal(err)
			}
			lb := acquireHere(t, b)
			if done, err := a.write(ctx, l.ID, edits); done || err != nil {
				t.Errorf("the former leader's write: done %v, %v", done, err)
			}
			_, err = a.UpdateLeader(ctx, l, edits[0].Write)
			wantHolder(t, "its next try", err, dcs.ErrLost, "b")
			s, err := b.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if doc, ok := s.Documents[dcs.SyncKey]; ok != (test.before != nil) || string(doc.Value) != string(test.before) {
				t.Errorf("the document is %q (there: %v), want %q", doc.Value, ok, test.before)
			}
			if _, err := b.UpdateLeader(ctx, lb, dcs.Write{Key: dcs.SyncKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a former leader left half-way is no document, and goes with the next leader.
func TestPlaceholderIsNoDocument(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	a, b := openHere(t, server, Options{Name: "a", TTL: time.Second}), openHere(t, server, Options{Name: "b"})
	ctx := t.Context()
	if err := a.makePlace(ctx, &edit{Write: dcs.Write{Key: dcs.SyncKey}}); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Read(ctx); err != nil || len(s.Documents) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	l := acquireHere(t, b)
	if n, err := b.look(ctx, b.key(dcs.SyncKey)); n != nil || err != nil {
		t.Errorf("after an acquire: %+v, %v", n, err)
	}
	if err := b.makePlace(ctx, &edit{Write: dcs.Write{Key: dcs.SyncKey}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UpdateLeader(ctx, l, dcs.Write{Key: dcs.SyncKey, Value: []byte("{}"), Prev: dcs.Absent}); err != nil {
		t.Error(err)
	}
	n, err := b.look(ctx, b.key(dcs.SyncKey))
	if err != nil || n == nil || n.Expiration != nil || n.Value != "{}" {
		t.Errorf("the document is %+v, %v: it must stay", n, err)
	}
}

// Two agents go by one name. One took the key; the other lost the answer to its own
// attempt, and finds a key in its name.
func TestNameIsNoProof(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	for name, twinFirst := range map[string]bool{"whose mark came first": true, "whose mark came last": false} {
		t.Run(name, func(t *testing.T) {
			a, twin := openHere(t, server, Options{Name: "a"}), openHere(t, server, Options{Name: "a"})
			ctx := t.Context()
			if err := a.RemoveCluster(ctx); err != nil {
				t.Fatal(err)
			}
			order := []*DCS{a, twin}
			if twinFirst {
				order = []*DCS{twin, a}
			}
			for _, d := range order {
				if _, err := d.prepare(ctx); err != nil {
					t.Fatal(err)
				}
				d.candidate.sent = true // its answer was lost
			}
			if _, err := twin.create(ctx, twin.candidate); err != nil {
				t.Fatal(err)
			}
			var won int
			for _, d := range []*DCS{a, twin} {
				l, err := d.acquire(ctx)
				switch {
				case err == nil:
					won++
					if _, err := d.UpdateLeader(ctx, l); err != nil {
						t.Error(err)
					}
				case !errors.Is(err, errTwin) && !errors.Is(err, dcs.ErrHeld):
					t.Error(err)
				}
			}
			if won > 1 {
				t.Errorf("%d agents took the key for theirs", won)
			}
		})
	}
}

// Somebody writes the leader key without a condition: that is another grant, in our
// name or not.
func TestKeyWrittenByAnother(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	for _, name := range []string{"a", "b"} {
		a := openHere(t, server, Options{Name: "a"})
		ctx := t.Context()
		if err := a.RemoveCluster(ctx); err != nil {
			t.Fatal(err)
		}
		l := acquireHere(t, a)
		_, err := a.attempt(ctx, request{method: http.MethodPut, key: a.leaderKey(), form: url.Values{"value": {name}, "ttl": {"30"}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.UpdateLeader(ctx, l)
		wantHolder(t, "renewal", err, dcs.ErrLost, name)
		_, err = a.ResumeLeader(ctx, l.ID)
		wantHolder(t, "resumption", err, dcs.ErrLost, name)
		wantHolder(t, "release", a.ReleaseLeader(ctx, l), dcs.ErrLost, name)
		if s, err := a.Read(ctx); err != nil || s.Leader == nil || s.Leader.Grant == l.ID {
			t.Errorf("%+v, %v", s.Leader, err)
		}
	}
}
