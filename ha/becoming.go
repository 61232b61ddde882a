package ha

import (
	"context"
	"errors"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/postgres"
)

// How a server becomes a primary, or is started: beside the loop, which renews the
// lease meanwhile.

// writesConfig says whether a job writes the server's configuration files.
func writesConfig(kind jobKind) bool {
	switch kind {
	case jobStop, jobHandOver, jobPromote, jobCheck, jobPostBootstrap:
		return false
	}
	return true
}

// startServer starts the server, as a primary under a permit.
func (j *jobs) startServer(ctx context.Context, r run) error {
	pg := j.agent.cfg.PostgreSQL
	if r.Standby {
		return pg.StartStandby(ctx, r.Up)
	}
	permit, err := j.agent.office.permit(r.NotAfter)
	if err != nil {
		return err
	}
	return pg.StartPrimary(ctx, permit)
}

// unaskedError is why a promotion came to nothing before the server was asked for it.
type unaskedError struct {
	error
	forbidden bool // by what the user wants to be run before that, or that outlived the lease
}

func (e unaskedError) Unwrap() error { return e.error }

// promote ends recovery. What the user wants to be run before that may take longer than
// the lease, which is renewed meanwhile: the permit is that of the moment after it, of
// the same term.
func (j *jobs) promote(ctx context.Context, r run) error {
	a := j.agent
	unasked := func(err error, forbidden bool) error {
		if r.Again {
			return err // the request before this one may still take effect
		}
		return unaskedError{err, forbidden}
	}
	term := a.office.get()
	if _, err := a.office.allows(term, r.NotAfter); err != nil {
		return unasked(err, false)
	}
	if !r.Again {
		if err := a.cfg.PostgreSQL.PrePromote(ctx); err != nil {
			return unasked(err, true)
		}
	}
	if a.office.get().First != term.First {
		return unasked(errEnded, true)
	}
	permit, err := a.office.permit(never)
	if err != nil {
		return unasked(err, false)
	}
	return a.cfg.PostgreSQL.Promote(ctx, permit.NotAfter)
}

// promoted is the memory after a promotion, or a try.
func promoted(m memory, now clock.Instant, err error) memory {
	m.Winning = winning{}
	var unasked unaskedError
	if errors.As(err, &unasked) {
		return unpromoted(m, now, unasked.forbidden, err.Error())
	}
	m.Promoting = now // the server may have got the request all the same
	return m
}

// unpromoted is the memory after a promotion that the server wasn't asked for.
func unpromoted(m memory, now clock.Instant, forbidden bool, why string) memory {
	m.Promoting = 0
	if forbidden {
		m.Promotes = m.Promotes.failed(now, why)
	}
	return m
}

// promotionOver says whether a promotion is being prepared that has no lease to come to
// its end under, or won't have one.
func promotionOver(v view) bool {
	waits := v.Store.readable() || v.Now.Before(v.Term.Plan.GiveUp)
	return v.Job.running() && v.Job.Kind == jobPromote && !(v.Term.held() && waits)
}

// notPromoted gives the lease up of a member whose promotion came to nothing: another
// one may do better. It runs again after a pause.
func notPromoted(v view) decision {
	return giveUp(v, "promote/failed", "releasing the leader key, since I could not be promoted: "+v.Memory.Promotes.Why)
}

// startHangs says whether a server is being started that should long have a process.
func startHangs(v view) bool {
	return v.Job.running() && v.Job.Kind == jobStart && v.Server.State == postgres.StateStopped && v.Now.Sub(v.Job.Since) > v.Settings.TTL
}
