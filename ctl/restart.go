package ctl

import (
	"context"
	"math/rand/v2"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/jsontext"
)

// restart is how servers are to be restarted.
type restart struct {
	choice
	one       bool // any one of them
	scheduled string
	version   string // only servers that are older
	pending   bool
	timeout   string
}

func (p *program) restartCommand() *cobra.Command {
	q := restart{choice: choice{action: "restart"}}
	c := command("restart [flags] CLUSTER_NAME [MEMBER_NAME...]", "Restart PostgreSQL", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		q.names = args[1:]
		return p.restart(ctx, args[0], q)
	})
	q.flags(c)
	c.Flags().BoolVar(&q.one, "any", false, "restart any one of them")
	c.Flags().StringVar(&q.scheduled, "scheduled", "", "`WHEN`, as 2026-12-01T03:00+00:00, or now")
	c.Flags().StringVar(&q.version, "pg-version", "", "only where PostgreSQL is older than `VERSION`")
	c.Flags().BoolVar(&q.pending, "pending", false, "only where settings wait for a restart")
	c.Flags().StringVar(&q.timeout, "timeout", "", "how long each may take: `SECONDS`, or with a unit")
	return c
}

func (p *program) restart(ctx context.Context, cluster string, q restart) error {
	s, err := p.open(ctx, cluster)
	if err != nil {
		return err
	}
	defer s.close()
	members, err := s.choose(ctx, q.choice)
	if err != nil {
		return err
	}
	if q.scheduled == "" && !q.force {
		if q.scheduled, err = s.prompt(ctx, "When should the restart take place (e.g. "+s.nextHour()+") ", "now"); err != nil {
			return err
		}
	}
	at, err := s.parseSchedule(q.scheduled)
	if err != nil {
		return err
	}
	when := ""
	if !at.IsZero() {
		when = dcs.FormatTime(at)
	}
	if err := s.confirmMembers(ctx, q.choice, members, when); err != nil {
		return err
	}
	if q.version == "" && !q.force {
		if q.version, err = s.prompt(ctx, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", ""); err != nil {
			return err
		}
	}
	if when != "" && s.settings().Pause {
		return wording("Can't schedule restart in the paused state")
	}
	return s.restartAll(ctx, q, s.pick(q, members, when), when)
}

// pick leaves out whom the request is not for.
func (s *session) pick(q restart, members []dcs.Member, when string) []dcs.Member {
	var picked []dcs.Member
	for _, m := range members {
		if q.pending && when == "" && m.PendingRestart == nil {
			continue
		}
		picked = append(picked, m)
	}
	if q.one && len(picked) > 1 {
		i := rand.IntN(len(picked))
		picked = picked[i : i+1]
	}
	return picked
}

// restartAll asks one member after the other.
func (s *session) restartAll(ctx context.Context, q restart, members []dcs.Member, when string) error {
	body := &jsontext.Object{}
	if q.pending {
		body.Set("restart_pending", true)
	}
	if q.version != "" {
		body.Set("postgres_version", q.version)
	}
	if when != "" {
		body.Set("schedule", when)
	}
	if q.timeout != "" {
		body.Set("timeout", q.timeout)
	}
	var failed error
	for _, m := range members {
		if when != "" && q.force && len(m.ScheduledRestart) > 0 {
			// What comes of it shows at once: two can't be scheduled.
			_, _ = s.ask(ctx, askTimeout, http.MethodDelete, m, "/restart", nil)
		}
		// No deadline: the member itself knows how long a start may take.
		reply, err := s.ask(ctx, 0, http.MethodPost, m, "/restart", body)
		switch {
		case err == nil && reply.Status == http.StatusOK:
			s.say("Success: restart on member %s", m.Name)
		case err == nil && reply.Status == http.StatusAccepted:
			s.say("Success: restart scheduled on member %s", m.Name)
		case err == nil && reply.Status == http.StatusConflict:
			s.say("Failed: another restart is already scheduled on member %s", m.Name)
			failed = errRefused
		default:
			s.say("Failed: restart for member %s, %s", m.Name, outcome(reply, err))
			failed = errRefused
		}
		if ctx.Err() != nil {
			return errAborted
		}
	}
	return failed
}
