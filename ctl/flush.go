package ctl

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
)

func (p *program) flushCommand() *cobra.Command {
	q := choice{action: "flush"}
	c := command("flush [flags] CLUSTER_NAME [MEMBER_NAME...] {restart|switchover}", "Drop what is scheduled",
		cobra.MinimumNArgs(2), func(ctx context.Context, args []string) error {
			last := len(args) - 1
			q.names = args[1:last]
			return p.flush(ctx, args[0], args[last], q)
		})
	q.flags(c)
	return c
}

func (p *program) flush(ctx context.Context, cluster, what string, q choice) error {
	if what != "restart" && what != "switchover" {
		return wording("%q can't be scheduled: restart and switchover can", what)
	}
	s, err := p.open(ctx, cluster)
	if err != nil {
		return err
	}
	defer s.close()
	if what == "switchover" {
		return s.flushSwitchover(ctx)
	}
	return s.flushRestarts(ctx, q)
}

func (s *session) flushRestarts(ctx context.Context, q choice) error {
	members, err := s.chooseSurely(ctx, q)
	if err != nil {
		return err
	}
	var failed error
	for _, m := range members {
		if len(m.ScheduledRestart) == 0 {
			s.say("No scheduled restart for member %s", m.Name)
			continue
		}
		reply, err := s.ask(ctx, askTimeout, http.MethodDelete, m, "/restart", nil)
		switch {
		case err == nil && reply.Status == http.StatusOK:
			s.say("Success: flush scheduled restart for member %s", m.Name)
		case err == nil && reply.Status == http.StatusNotFound: // it was made or dropped meanwhile
			s.say("No scheduled restart for member %s", m.Name)
		default:
			s.say("Failed: flush scheduled restart for member %s, %s", m.Name, outcome(reply, err))
			failed = errRefused
		}
	}
	return failed
}

// flushSwitchover asks the leader, then the others, and, where nobody can be
// reached, clears the request in the store, if it is still the one that was read.
func (s *session) flushSwitchover(ctx context.Context) error {
	f := s.view.Failover
	if f.ScheduledAt.IsZero() {
		s.say("No pending scheduled switchover")
		return nil
	}
	members := slices.Clone(s.view.Members)
	if i := slices.IndexFunc(members, func(m dcs.Member) bool { return m.Name == s.view.LeaderName() }); i > 0 {
		members[0], members[i] = members[i], members[0]
	}
	for _, m := range members {
		reply, err := s.ask(ctx, askTimeout, http.MethodDelete, m, "/switchover", nil)
		switch {
		case err != nil:
			continue
		case reply.Status == http.StatusOK:
			s.say("Success: scheduled switchover deleted")
			return nil
		case reply.Status == http.StatusNotFound:
			s.say("Failed: no pending scheduled switchover")
			return errRefused
		}
		s.say("Failed: %s", outcome(reply, err))
		return errRefused
	}
	_, err := s.store.PutFailover(ctx, dcs.Failover{}, f.Version)
	if errors.Is(err, dcs.ErrConflict) {
		return errors.New("the scheduled switchover has changed meanwhile")
	}
	if err == nil {
		s.say("Success: scheduled switchover deleted")
	}
	return err
}
