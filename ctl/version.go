package ctl

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func (p *program) versionCommand() *cobra.Command {
	return command("version [CLUSTER_NAME] [MEMBER_NAME...]", "Show the versions of the program and of members", cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		p.say("regentctl version %s", p.o.Release)
		if len(args) == 0 {
			return nil
		}
		s, err := p.open(ctx, args[0])
		if err != nil {
			return err
		}
		defer s.close()
		p.say("")
		var failed error
		for _, m := range s.view.Members {
			if len(args) > 1 && !slices.Contains(args[1:], m.Name) {
				continue
			}
			status, err := s.status(ctx, m)
			if err != nil {
				p.say("%s: failed to get version: %v", m.Name, err)
				failed = errRefused
				continue
			}
			line := fmt.Sprintf("%s: Patroni %s", m.Name, status.Patroni.Version)
			if status.ServerVersion != 0 {
				line += " PostgreSQL " + serverVersion(status.ServerVersion)
			}
			if status.Regent != nil {
				line += " regent " + status.Regent.Version
			}
			p.say("%s", line)
		}
		return failed
	})
}

// serverVersion is 150020 as 15.20, 90502 as 9.5.2.
func serverVersion(n int) string {
	if n >= 100000 {
		return fmt.Sprintf("%d.%d", n/10000, n%10000)
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
}
