package ctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/internal/jsontext"
	"github.com/regent-ha/regent/rest"
)

// succession is a switchover or a failover that is being asked for.
type succession struct {
	action    string // switchover or failover
	leader    string
	candidate string
	scheduled string
	at        time.Time // of scheduled; zero: now
	force     bool
}

func (p *program) switchoverCommand() *cobra.Command {
	q := succession{action: "switchover"}
	c := command("switchover [flags] [CLUSTER_NAME]", "Make another member the leader", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		return p.succeed(ctx, args, q)
	})
	c.Flags().StringVar(&q.leader, "leader", "", "the present `LEADER`")
	c.Flags().StringVar(&q.leader, "primary", "", "the same as --leader")
	c.Flags().StringVar(&q.candidate, "candidate", "", "the `MEMBER` to lead next")
	c.Flags().StringVar(&q.scheduled, "scheduled", "", "`WHEN`, as 2026-12-01T03:00+00:00, or now")
	c.Flags().BoolVar(&q.force, "force", false, "don't ask anything")
	return c
}

func (p *program) failoverCommand() *cobra.Command {
	q := succession{action: "failover"}
	c := command("failover [flags] [CLUSTER_NAME]", "Make a member the leader though the present one may be gone", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		return p.succeed(ctx, args, q)
	})
	c.Flags().StringVar(&q.candidate, "candidate", "", "the `MEMBER` to lead next")
	c.Flags().BoolVar(&q.force, "force", false, "don't ask anything")
	return c
}

// succeed goes through the dialogue and asks for the change.
func (p *program) succeed(ctx context.Context, args []string, q succession) error {
	s, err := p.open(ctx, strings.Join(args, ""))
	if err != nil {
		return err
	}
	defer s.close()
	p.say("Current cluster topology")
	if err := s.list(formatPretty, false); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *succession) error{s.chooseLeader, s.chooseCandidate, s.chooseTime, s.confirmSuccession} {
		if err := step(ctx, &q); err != nil {
			return err
		}
	}
	return s.request(ctx, q)
}

func (s *session) chooseLeader(ctx context.Context, q *succession) error {
	if q.action == "failover" {
		return nil
	}
	leader := s.view.LeaderName()
	if leader == "" {
		return wording("This cluster has no leader")
	}
	if q.leader == "" {
		q.leader = leader
		if !q.force {
			question := "Primary"
			if s.settings().Standby() {
				question = "Standby Leader"
			}
			var err error
			if q.leader, err = s.prompt(ctx, question, leader); err != nil {
				return err
			}
		}
	}
	if q.leader != leader {
		return wording("Member %s is not the leader of cluster %s", q.leader, s.name)
	}
	return nil
}

func (s *session) chooseCandidate(ctx context.Context, q *succession) error {
	var names []string
	for _, m := range s.view.Members {
		if m.Name != s.view.LeaderName() && !m.Tags.NoFailover() {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return wording("No candidates found to %s to", q.action)
	}
	if q.candidate == "" && !q.force {
		var err error
		if q.candidate, err = s.prompt(ctx, "Candidate ['"+strings.Join(names, "', '")+"']", ""); err != nil {
			return err
		}
	}
	switch {
	case q.candidate == "" && q.action == "failover":
		return wording("Failover could be performed only to a specific candidate")
	case q.candidate == "":
		return nil
	case q.candidate == s.view.LeaderName():
		return wording("Member %s is already the leader of cluster %s", q.candidate, s.name)
	case !slices.Contains(names, q.candidate):
		return wording("Member %s does not exist in cluster %s or is tagged as nofailover", q.candidate, s.name)
	}
	return s.confirmAsynchronous(ctx, q)
}

// confirmAsynchronous warns of a candidate that may lack what was acknowledged.
func (s *session) confirmAsynchronous(ctx context.Context, q *succession) error {
	if q.action != "failover" || q.force || s.settings().SynchronousMode == ha.SynchronousOff || s.view.Sync.Has(q.candidate) {
		return nil
	}
	sure, err := s.confirm(ctx, fmt.Sprintf("Are you sure you want to failover to the asynchronous node %s?", q.candidate))
	if err == nil && !sure {
		err = wording("Aborting failover")
	}
	return err
}

func (s *session) chooseTime(ctx context.Context, q *succession) error {
	if q.action == "failover" {
		return nil
	}
	var err error
	if q.scheduled == "" && !q.force {
		question := fmt.Sprintf("When should the switchover take place (e.g. %s ) ", s.nextHour())
		if q.scheduled, err = s.prompt(ctx, question, "now"); err != nil {
			return err
		}
	}
	if q.at, err = s.parseSchedule(q.scheduled); err != nil {
		return err
	}
	if !q.at.IsZero() && s.settings().Pause {
		return wording("Can't schedule switchover in the paused state")
	}
	return nil
}

func (s *session) confirmSuccession(ctx context.Context, q *succession) error {
	if q.force {
		return nil
	}
	demoting := ""
	if leader := s.view.LeaderName(); leader != "" {
		demoting = ", demoting current leader " + leader
	}
	question := fmt.Sprintf("Are you sure you want to %s cluster %s%s?", q.action, s.name, demoting)
	aborting := "Aborting " + q.action
	if !q.at.IsZero() {
		question = fmt.Sprintf("Are you sure you want to schedule %s of cluster %s at %s%s?", q.action, s.name, dcs.FormatTime(q.at), demoting)
		aborting = "Aborting scheduled " + q.action
	}
	sure, err := s.confirm(ctx, question)
	if err == nil && !sure {
		err = errors.New(aborting)
	}
	return err
}

// request asks the leader, or the candidate where nobody leads. If nobody takes
// the connection the request is written into the store, where the cluster finds
// it.
func (s *session) request(ctx context.Context, q succession) error {
	m, ok := s.view.LeaderMember()
	if !ok {
		m, _ = s.view.Member(q.candidate)
	}
	body := &jsontext.Object{}
	body.Set("candidate", textOrNull(q.candidate))
	if q.action == "switchover" {
		body.Set("leader", q.leader)
	}
	if !q.at.IsZero() {
		body.Set("scheduled_at", dcs.FormatTime(q.at))
	}
	// The member answers once it knows how it ended, or gives up itself.
	timeout := 2*max(10*time.Second, s.settings().LoopWait) + askTimeout
	reply, err := s.ask(ctx, timeout, http.MethodPost, m, "/"+q.action, body)
	if err == nil && reply.Status == http.StatusNotImplemented {
		reply, err = s.ask(ctx, timeout, http.MethodPost, m, "/failover", body)
	}
	switch {
	case unreached(err):
		fmt.Fprintln(s.o.Err, err)
		s.say("%s Could not %s using Patroni api, falling back to DCS", s.stamp(), q.action)
		if _, err := s.store.PutFailover(ctx, dcs.Failover{Leader: q.leader, Candidate: q.candidate, ScheduledAt: q.at}, dcs.Any); err != nil {
			return fmt.Errorf("the request can't be written into the store: %w", err)
		}
	case changed(reply, err):
		s.say("%s %s", s.stamp(), reply.Text())
	default:
		s.say("%s", q.failed(reply, err))
		return errRefused
	}
	if err := s.read(ctx); err != nil {
		return err
	}
	return s.list(formatPretty, false)
}

func (q succession) failed(reply rest.Reply, err error) string {
	action := title(q.action)
	switch {
	case err != nil:
		return fmt.Sprintf("%s result unknown, details: no answer (%v)", action, err)
	case strings.Contains(reply.Text(), "status unknown"):
		return fmt.Sprintf("%s result unknown, details: %d, %s", action, reply.Status, reply.Text())
	}
	return fmt.Sprintf("%s failed, details: %d, %s", action, reply.Status, reply.Text())
}

// unreached says whether a request was certainly not received.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
