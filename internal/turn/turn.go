// Package turn has a lock that is waited for no longer than a context lives: what
// a backend's verbs, each with a deadline of its own, take turns with.
package turn

import "context"

// Lock lets one at a time through. Its zero value lets nobody: see New.
type Lock chan struct{}

// New returns a lock that nobody has.
func New() Lock { return make(Lock, 1) }

// Take waits for the lock. When ctx ends first its cause is the error, and the
// lock isn't had.
func (l Lock) Take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Give lets the next one through.
func (l Lock) Give() { <-l }
