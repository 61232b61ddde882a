package ha

import (
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// handicap is what keeps this member from leading at the moment, wherever its server
// is, and may pass: it must not run for leader, and tells the others. A grant that it
// won it could neither rest on nor, without the store, give back. Empty: nothing.
func handicap(v view) string {
	switch {
	case !v.Guard.Off && !v.Guard.Connected:
		return "the guard doesn't answer"
	case v.NotesErr != "":
		return "the run directory can't be written: " + v.NotesErr
	case !v.Memory.Futile.IsZero() && v.Now.Before(v.Memory.Futile.Add(futilePause)):
		return "a lease was given back lately, since nothing could rest on it"
	case !v.Store.readable():
		return "the store can't be reached"
	}
	return ""
}

// probeEvery is how often it is tried whether the run directory can be written while
// nobody leads. Else it is once in a loop_wait, for a leader that looks for a successor.
const probeEvery = time.Second

// probes are what became of the last try to write something down.
type probes struct {
	mu  sync.Mutex
	at  clock.Instant
	err string
}

func (p *probes) set(now clock.Instant, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.err = now, ""
	if err != nil {
		p.err = err.Error()
	}
}

func (p *probes) look() (at clock.Instant, err string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.err
}

// unwritable says why nothing can be written down; empty: it can. Who holds a lease
// writes it down often enough; everybody else tries from time to time, and before a
// candidacy, since a grant that can't be noted is worth nothing.
func (a *Agent) unwritable(leading bool) string {
	every := probeEvery
	if a.cluster.Leader != nil {
		every = max(every, a.settings.LoopWait)
	}
	at, why := a.probes.look()
	if now := a.clock.Now(); !leading && (at.IsZero() || !now.Before(at.Add(every))) {
		a.probes.set(now, a.cfg.Notes.Probe())
		_, why = a.probes.look()
	}
	return why
}
