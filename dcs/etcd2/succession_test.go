package etcd2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/storetest"
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
	mark := func(d *DCS) error {
		_, err := d.prepare(t.Context())
		if err == nil {
			d.candidate.sent = true // its answer was lost
		}
		return err
	}
	create := func(d *DCS) error {
		_, err := d.create(t.Context(), d.candidate)
		return err
	}
	acquire := func(d *DCS) error {
		_, err := d.acquire(t.Context())
		return err
	}
	type step struct {
		twin bool
		do   func(d *DCS) error
		want error
	}
	for name, steps := range map[string][]step{
		"the twin's mark came first":      {{true, mark, nil}, {false, mark, nil}, {true, create, nil}, {true, acquire, errTwin}, {false, acquire, nil}},
		"the twin's mark came last":       {{false, mark, nil}, {true, mark, nil}, {true, create, nil}, {false, acquire, errTwin}, {true, acquire, nil}},
		"the twin leads already":          {{true, acquire, nil}, {false, mark, nil}, {false, acquire, dcs.ErrHeld}},
		"the twin led before both marked": {{true, mark, nil}, {true, create, nil}, {true, acquire, nil}, {false, mark, nil}, {true, mark, nil}, {false, acquire, dcs.ErrHeld}, {true, acquire, dcs.ErrHeld}},
	} {
		t.Run(name, func(t *testing.T) {
			one, twin := openHere(t, server, Options{Name: "a"}), openHere(t, server, Options{Name: "a"})
			if err := one.RemoveCluster(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				d := one
				if s.twin {
					d = twin
				}
				if err := s.do(d); !errors.Is(err, s.want) {
					t.Fatalf("step %d: got %v, want %v", i, err, s.want)
				}
			}
		})
	}
}

// A mark of an attempt that was given up arrives when another one stands: it must not
// take that one for a twin's.
func TestMarkArrivesLate(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{V2: true})
	there := &url.URL{Scheme: "http", Host: server.Members[0].Addr}
	var late *http.Request
	forward := httputil.NewSingleHostReverseProxy(there)
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "attempts/") && late == nil:
			body, _ := io.ReadAll(r.Body)
			late = httptest.NewRequest(r.Method, r.URL.Path, bytes.NewReader(body))
			late.Header = r.Header.Clone()
			<-r.Context().Done()
			return
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/leader"):
			answer := httptest.NewRecorder()
			forward.ServeHTTP(answer, late)
			if answer.Code != http.StatusPreconditionFailed {
				t.Errorf("the late mark is answered %d: %s", answer.Code, answer.Body)
			}
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(way.Close)
	d := openHere(t, nil, Options{Name: "a", Endpoints: []string{way.URL}, AttemptTimeout: 20 * time.Second})
	if _, err := d.AttemptToAcquireLeader(storetest.Within(t, 300*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without an answer: %v", err)
	}
	if _, err := d.AttemptToAcquireLeader(storetest.Within(t, storetest.Patience)); err != nil {
		t.Errorf("the next attempt: %v", err)
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
