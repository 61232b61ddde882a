package ha

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	inmemory "github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/fence"
)

// slow is a store whose renewals wait for a word.
type slow struct {
	dcs.DCS
	renewing, renew chan struct{}
}

func (s *slow) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	s.renewing <- struct{}{}
	<-s.renew
	return s.DCS.UpdateLeader(ctx, l, docs...)
}

// pad keeps the last note.
type pad struct {
	Notes
	mu   sync.Mutex
	note LeaseNote
}

func (p *pad) WriteLease(n LeaseNote) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = n
	return nil
}

func (p *pad) ForgetLease() error { return p.WriteLease(LeaseNote{}) }

func (p *pad) ReadLease(string) (LeaseNote, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.note, nil
}

// elected is an agent without a guard that has just won the key.
func elected(t *testing.T) (*Agent, *slow, *pad) {
	t.Helper()
	backend, err := inmemory.NewStore(clock.System()).Open(inmemory.Options{Path: dcs.Path{Namespace: "service", Scope: "x"}, Name: "a", TTL: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{DCS: backend, renewing: make(chan struct{}), renew: make(chan struct{})}
	notes := &pad{}
	a, err := New(Config{
		Name: "a", Scope: "x", DCS: s, PostgreSQL: struct{ PostgreSQL }{}, Peers: struct{ Peers }{}, Notes: notes,
		Fencing: Fencing{Mode: fence.Off}, Settings: DefaultSettings(),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.fencing.agent, a.fencing.mode = a, fence.Off
	if err := a.acquire(t.Context(), view{}); err != nil {
		t.Fatal(err)
	}
	return a, s, notes
}

// A job gets its permit while the loop waits for a renewal: what it made of the
// term outlives the renewal, in memory and on disk.
func TestPermitDuringARenewal(t *testing.T) {
	a, s, notes := elected(t)
	ended := make(chan error)
	go func() { ended <- a.renew(t.Context(), nil) }()
	<-s.renewing
	before := a.office.get()
	if _, err := a.office.permit(never); err != nil {
		t.Fatal(err)
	}
	close(s.renew)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	after := a.office.get()
	if !after.Lease.Since.After(before.Lease.Since) || after.Plan == before.Plan {
		t.Errorf("the renewal didn't count: %+v", after)
	}
	if after.Writable != after.Lease.ID {
		t.Errorf("the term forgot that the server may be writable: %+v", after)
	}
	if note, _ := notes.ReadLease(""); !note.Writable || note.Since != after.Lease.Since {
		t.Errorf("the note is %+v", note)
	}
}

// A term that ended while its renewal was under way stays ended.
func TestRenewalBringsNoTermBack(t *testing.T) {
	a, s, _ := elected(t)
	ended := make(chan error)
	go func() { ended <- a.renew(t.Context(), nil) }()
	<-s.renewing
	a.office.end()
	close(s.renew)
	if err := <-ended; err == nil {
		t.Error("the renewal of a term that has ended was no error")
	}
	if now := a.office.get(); now.held() {
		t.Errorf("the term is back: %+v", now)
	}
	if _, err := a.office.permit(never); err == nil {
		t.Error("got a permit without a lease")
	}
}
