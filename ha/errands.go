package ha

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errands is what the agent has done beside its loop, so that a server or a disk which
// is slow holds no renewal of the lease up: of each kind one at most is under way.
type errands struct {
	agent *Agent
	mu    sync.Mutex
	away  map[string]chan struct{} // by kind; closed at its end
	said  map[string]bool          // kinds whose failure was said
	group sync.WaitGroup
}

func (e *errands) init(a *Agent) {
	e.agent, e.away, e.said = a, map[string]chan struct{}{}, map[string]bool{}
}

// errAway says that an errand of the same kind is still under way, or this one is.
var errAway = errors.New("ha: it is still under way")

// begin starts one. The channel gets how it ended; nil: another of its kind is away.
func (e *errands) begin(kind string, work func() error) <-chan error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away[kind] != nil {
		return nil
	}
	over, ended := make(chan struct{}), make(chan error, 1)
	e.away[kind] = over
	e.group.Go(func() {
		err := work()
		e.mu.Lock()
		delete(e.away, kind)
		e.mu.Unlock()
		close(over)
		ended <- err
	})
	return ended
}

// send does something that nothing waits for, unless the last of its kind is still at
// it. A failure is said once, until it works again.
func (e *errands) send(kind string, work func() error) {
	e.begin(kind, func() error {
		err := work()
		e.mu.Lock()
		news := err != nil && !e.said[kind]
		e.said[kind] = err != nil
		e.mu.Unlock()
		if news {
			e.agent.log.Warn("failed: "+kind, "error", err)
		}
		return err
	})
}

// await does something and waits for it, but no longer than patience.
func (e *errands) await(ctx context.Context, kind string, patience time.Duration, work func() error) error {
	ended := e.begin(kind, work)
	if ended == nil {
		return errAway
	}
	timer := e.agent.clock.NewTimer(e.agent.clock.Now().Add(patience))
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C():
		return errAway
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isAway says whether an errand of a kind is under way.
func (e *errands) isAway(kind string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away[kind] != nil
}

// over waits for the end of an errand that may be under way.
func (e *errands) over(ctx context.Context, kind string) error {
	e.mu.Lock()
	over := e.away[kind]
	e.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
