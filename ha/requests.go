package ha

import (
	"context"
	"errors"
	"sync"

	"github.com/regent-ha/regent/dcs"
)

// requests are what operators asked of this member itself.
type requests struct {
	mu         sync.Mutex
	now        request
	waiting    []chan error // for the end of a restart
	asked      []chan error // for the answer to a reinitialize
	reloading  bool         // the server's files are to be written and read anew
	configured bool         // the local configuration is another one
	tags       dcs.Tags     // this member's; never changed in place
}

func (r *requests) look() request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// await asks for something by ask, which notes it and where to answer, and waits
// for the answer.
func (a *Agent) await(ctx context.Context, ask func(r *requests, done chan error)) error {
	done := make(chan error, 1)
	a.requests.mu.Lock()
	ask(&a.requests, done)
	a.requests.mu.Unlock()
	a.Wake()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell answers all who wait.
func tell(waiting []chan error, err error) {
	for _, done := range waiting {
		done <- err
	}
}

// Restart restarts the server in place and returns when it is up again.
func (a *Agent) Restart(ctx context.Context) error {
	return a.await(ctx, func(r *requests, done chan error) {
		r.now.Restart = true
		r.waiting = append(r.waiting, done)
	})
}

// restarted ends a restart for all who wait for it.
func (r *requests) restarted(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Restart = false
	tell(r.waiting, err)
	r.waiting = nil
}

// ScheduleRestart notes a restart for later, for which this agent must still
// run then. It returns false if there is one already.
func (a *Agent) ScheduleRestart(q ScheduledRestart) bool {
	q.Server = a.Report().Server.StartedAt
	r := &a.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.now.Scheduled.At.IsZero() {
		return false
	}
	r.now.Scheduled = q
	a.Wake()
	return true
}

// UnscheduleRestart drops the restart for later. It returns false if there is none.
func (a *Agent) UnscheduleRestart() bool {
	dropped := a.requests.unschedule(a.requests.look().Scheduled)
	a.Wake()
	return dropped
}

// unschedule drops q, and not one that took its place.
func (r *requests) unschedule(q ScheduledRestart) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.At.IsZero() || r.now.Scheduled != q {
		return false
	}
	r.now.Scheduled = ScheduledRestart{}
	return true
}

// Reinitialize makes this replica's data directory anew. It returns when that
// has begun or was refused.
func (a *Agent) Reinitialize(ctx context.Context, force, fromLeader bool) error {
	if j := a.jobs.look(); j.running() && !j.brief() {
		if !force {
			return errors.New(string(j.Kind) + " already in progress")
		}
		a.jobs.cancel()
	}
	return a.await(ctx, func(r *requests, done chan error) {
		r.now.Reinitialize, r.now.FromLeader = true, fromLeader
		r.asked = append(r.asked, done)
	})
}

// answer tells whoever asked what became of it.
func (r *requests) answer(a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if a.Err != "" {
		err = errors.New(a.Err)
	}
	if a.Reinitialize != "" {
		r.now.Reinitialize = false
		tell(r.asked, err)
		r.asked = nil
	}
}

// Shutdown ends the agent in order: a leader hands over, then the server is
// stopped and Run returns.
func (a *Agent) Shutdown() {
	r := &a.requests
	r.mu.Lock()
	if !r.now.Shutdown {
		r.now.Shutdown, r.now.ShutdownAt = true, a.clock.Now()
	}
	r.mu.Unlock()
	a.Wake()
}

// reload asks for the server's configuration files to be written and read anew.
func (r *requests) reload() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reloading = true
}

// takeReload says whether that was asked for, once.
func (r *requests) takeReload() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.reloading
	r.reloading = false
	return asked
}

// Reload makes the agent call Config.Reconfigure again, since the local
// configuration has changed, and the server read its files anew.
func (a *Agent) Reload() {
	r := &a.requests
	r.mu.Lock()
	r.configured, r.reloading = true, true
	r.mu.Unlock()
	a.Wake()
}

// Retag makes these the member's tags, in place of Config.Tags.
func (a *Agent) Retag(tags dcs.Tags) {
	r := &a.requests
	r.mu.Lock()
	r.tags = tags
	r.mu.Unlock()
	a.Wake()
}

func (r *requests) tagged() dcs.Tags {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tags
}

// isConfigured says whether takeConfigured would say so.
func (r *requests) isConfigured() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.configured
}

// takeConfigured says whether the local configuration has changed, once.
func (r *requests) takeConfigured() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.configured
	r.configured = false
	return changed
}
