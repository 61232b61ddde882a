package ha

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// jobs runs the one long piece of work beside the loop.
type jobs struct {
	agent    *Agent
	mu       sync.Mutex
	job      job
	err      error // of a job that is done
	ended    chan struct{}
	stop     context.CancelFunc
	writable bool // it starts a primary
	group    sync.WaitGroup
}

func (j *jobs) init(a *Agent) { j.agent = a }

func (j *jobs) look() job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.job
}

// seen drops a job that has ended, once a decision knows of it.
func (j *jobs) seen(known job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if known.Done && j.job.Done && j.job.Since == known.Since {
		j.job = job{}
	}
}

// start begins a job. The loop is woken at its end.
func (j *jobs) start(ctx context.Context, r run) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.job.running() {
		return fmt.Errorf("ha: %s can't be started: %s in progress", r.Kind, j.job.Kind)
	}
	if r.Kind == jobRestart {
		r.Stop = postgres.Stop{Mode: postgres.StopFast, Checkpoint: true, Escalate: j.agent.settings.TTL}
	}
	ctx, j.stop = context.WithCancel(ctx)
	j.job = job{Kind: r.Kind, Target: r.Target, Since: j.agent.clock.Now()}
	j.err, j.ended = nil, make(chan struct{})
	j.writable = r.Kind == jobStart && !r.Standby
	ended := j.ended
	j.group.Go(func() {
		ancestry, err := j.work(ctx, r)
		j.mu.Lock()
		j.job.Done, j.job.Ancestry = true, ancestry
		if err != nil {
			var unasked unaskedError
			j.job.Err, j.job.Unasked = err.Error(), errors.As(err, &unasked)
			j.job.Forbidden = unasked.forbidden
		}
		j.err = err
		j.stop()
		soon := j.agent.clock.Now().Before(j.job.Since.Add(briefPatience))
		j.mu.Unlock()
		close(ended)
		if !soon || r.Kind != jobStart && r.Kind != jobPromote {
			j.agent.logJob(r, err)
			j.agent.Wake()
		}
	})
	return nil
}

// briefPatience is how long the loop waits for what is usually over in a moment.
const briefPatience = 250 * time.Millisecond

// brief does something that is usually over in a moment, and waits so long for it. What
// takes longer goes on as the one job.
func (j *jobs) brief(ctx context.Context, r run) error {
	if err := j.start(ctx, r); err != nil {
		return err
	}
	j.mu.Lock()
	since, ended := j.job.Since, j.ended
	j.mu.Unlock()
	timer := j.agent.clock.NewTimer(since.Add(briefPatience))
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.job.Done {
		return nil
	}
	err := j.err
	j.job, j.err = job{}, nil
	return err
}

// cancel ends the job under way; it is over when it says so.
func (j *jobs) cancel() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.job.running() {
		j.stop()
	}
}

// cancelUnderLease ends a start or a promotion under way: the lease that it was to be
// under is over.
func (j *jobs) cancelUnderLease() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.job.running() && (j.job.Kind == jobPromote || j.writable) {
		j.stop()
	}
}

// abandon ends the job and waits for it.
func (j *jobs) abandon() {
	j.cancel()
	j.group.Wait()
}

func (j *jobs) progress(p postgres.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.job.Progress = p
}

func (j *jobs) work(ctx context.Context, r run) (postgres.Ancestry, error) {
	pg := j.agent.cfg.PostgreSQL
	if writesConfig(r.Kind) {
		if err := j.agent.errands.over(ctx, errandReload); err != nil {
			return postgres.Ancestry{}, err
		}
	}
	switch r.Kind {
	case jobBootstrap, jobClone, jobReinitialize, jobRewind:
		j.agent.membership.group.Wait() // it writes into the data directory, too
	}
	switch r.Kind {
	case jobBootstrap:
		return postgres.Ancestry{}, pg.Bootstrap(ctx)
	case jobPostBootstrap:
		return postgres.Ancestry{}, pg.PostBootstrap(ctx)
	case jobClone:
		return postgres.Ancestry{}, pg.Clone(ctx, r.Up, j.progress)
	case jobRecover:
		return postgres.Ancestry{}, pg.Recover(ctx)
	case jobCheck:
		ctx, cancel := clock.WithTimeout(ctx, j.agent.clock, checkTimeout)
		defer cancel()
		return pg.Compare(ctx, r.Up)
	case jobRewind:
		return postgres.Ancestry{}, pg.Rewind(ctx, r.Up)
	case jobFollow:
		_, err := pg.Follow(ctx, r.Up)
		return postgres.Ancestry{}, err
	case jobStart:
		return postgres.Ancestry{}, j.startServer(ctx, r)
	case jobPromote:
		return postgres.Ancestry{}, j.promote(ctx, r)
	case jobStop, jobHandOver:
		return postgres.Ancestry{}, pg.Stop(ctx, r.Stop)
	case jobRestart:
		return postgres.Ancestry{}, j.restart(ctx, r)
	case jobReinitialize:
		return postgres.Ancestry{}, j.reinitialize(ctx, r)
	}
	panic("ha: a job that nothing does: " + string(r.Kind))
}

// checkTimeout bounds a comparison with the leader: a few queries.
const checkTimeout = 5 * time.Second

// restart stops the server in order and starts it in the same role.
func (j *jobs) restart(ctx context.Context, r run) (err error) {
	a := j.agent
	defer func() { a.requests.restarted(err) }()
	if err := a.cfg.PostgreSQL.Stop(ctx, r.Stop); err != nil {
		return err
	}
	if r.Standby {
		err = a.cfg.PostgreSQL.StartStandby(ctx, r.Up)
	} else {
		var permit postgres.Permit
		if permit, err = a.office.permit(never); err == nil {
			err = a.cfg.PostgreSQL.StartPrimary(ctx, permit)
		}
	}
	if err != nil {
		return err
	}
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = clock.WithTimeout(ctx, a.clock, r.Timeout)
		defer cancel()
	}
	return j.awaitRunning(ctx)
}

// awaitRunning waits until the server lets us in again, or has ended.
func (j *jobs) awaitRunning(ctx context.Context) error {
	a := j.agent
	for {
		s := a.cfg.PostgreSQL.Status(ctx)
		switch {
		case s.State == postgres.StateRunning:
			return nil
		case s.PID == 0:
			return fmt.Errorf("PostgreSQL ended while it was starting: %s", s.Problem)
		}
		timer := a.clock.NewTimer(a.clock.Now().Add(startPoll))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("PostgreSQL is still starting: %w", context.Cause(ctx))
		}
	}
}

// reinitialize makes the data directory anew from another member.
func (j *jobs) reinitialize(ctx context.Context, r run) error {
	pg := j.agent.cfg.PostgreSQL
	if err := pg.Stop(ctx, postgres.Stop{Mode: postgres.StopImmediate, Escalate: time.Second}); err != nil {
		return err
	}
	if err := pg.SetAside(ctx); err != nil {
		return err
	}
	return pg.Clone(ctx, r.Up, j.progress)
}

func (a *Agent) logJob(r run, err error) {
	if err != nil {
		a.log.Warn(r.String()+" failed", "error", err)
		return
	}
	a.log.Info(r.String() + " has ended well")
}
