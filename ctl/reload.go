package ctl

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"
)

func (p *program) reloadCommand() *cobra.Command {
	q := choice{action: "reload"}
	c := command("reload [flags] CLUSTER_NAME [MEMBER_NAME...]", "Make members read their configuration anew", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		q.names = args[1:]
		return p.reload(ctx, args[0], q)
	})
	q.flags(c)
	return c
}

func (p *program) reload(ctx context.Context, cluster string, q choice) error {
	s, err := p.open(ctx, cluster)
	if err != nil {
		return err
	}
	defer s.close()
	members, err := s.chooseSurely(ctx, q)
	if err != nil {
		return err
	}
	var failed error
	for _, m := range members {
		reply, err := s.ask(ctx, askTimeout, http.MethodPost, m, "/reload", nil)
		switch {
		case err == nil && reply.Status == http.StatusOK:
			s.say("No changes to apply on member %s", m.Name)
		case err == nil && reply.Status == http.StatusAccepted:
			s.say("Reload request received for member %s and will be processed within %d seconds", m.Name, int(s.settings().LoopWait.Seconds()))
		default:
			s.say("Failed: reload for member %s, %s", m.Name, outcome(reply, err))
			failed = errRefused
		}
	}
	return failed
}
