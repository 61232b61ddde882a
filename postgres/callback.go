package postgres

import (
	"context"
	"sync"
	"time"
)

// callbackPatience is how long a callback may go on when the next one waits.
const callbackPatience = 10 * time.Second

// callbacks runs the user's commands one after the other, each in the order in
// which it was asked for. Reloads have a row of their own.
type callbacks struct {
	mu      sync.Mutex
	waiting []call
	active  bool
	newer   chan struct{} // closed when another call came while one runs
}

type call struct{ command, action, role, scope string }

// Callback runs the user's command for action (on_start, on_stop, on_restart,
// on_reload, on_role_change) with the arguments action, role and scope, and
// doesn't wait for it. Whoever sees that something happened calls it. A command
// that runs when the next one comes is ended only if it doesn't end by itself
// within ten seconds.
func (s *Server) Callback(action, role string) {
	configured := s.Settings().Callbacks[action]
	if configured == "" {
		return
	}
	row := &s.callbacks
	if action == "on_reload" {
		row = &s.reloadCallbacks
	}
	row.mu.Lock()
	defer row.mu.Unlock()
	row.waiting = append(row.waiting, call{configured, action, role, s.opts.Scope})
	if row.active {
		if row.newer != nil {
			close(row.newer)
			row.newer = nil
		}
		return
	}
	row.active = true
	s.calls.Go(func() { s.runCallbacks(row) })
}

// runCallbacks ends when none is left.
func (s *Server) runCallbacks(row *callbacks) {
	for {
		row.mu.Lock()
		if len(row.waiting) == 0 {
			row.active = false
			row.mu.Unlock()
			return
		}
		next := row.waiting[0]
		row.waiting = row.waiting[1:]
		newer := make(chan struct{})
		if len(row.waiting) > 0 {
			close(newer)
		} else {
			row.newer = newer
		}
		row.mu.Unlock()
		s.runCallback(next, newer)
	}
}

func (s *Server) runCallback(c call, newer <-chan struct{}) {
	ctx, cancel := context.WithCancel(s.callbackLife)
	defer cancel()
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		select {
		case <-newer:
			waitUpTo(ctx, done, callbackPatience)
			cancel()
		case <-done:
		}
	})
	j, err := command(c.command, c.action, c.role, c.scope)
	if err == nil {
		j.line = func(line string) { s.log.Info("callback says", "action", c.action, "line", line) }
		err = j.run(ctx)
	}
	close(done)
	wait.Wait()
	if err != nil {
		s.log.Warn("callback failed", "action", c.action, "role", c.role, "error", oneLine(err))
	}
}
