package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
)

// view is how list and topology are shown.
type view struct {
	format     string
	extended   bool
	timestamps bool
	everyTwo   bool
	every      float64 // seconds; 0: once
}

func (v *view) watchFlags(c *cobra.Command) {
	c.Flags().BoolVarP(&v.everyTwo, "watch-always", "W", false, "show it again every 2 seconds")
	c.Flags().Float64VarP(&v.every, "watch", "w", 0, "show it again every so many `SECONDS`")
}

func (p *program) listCommand() *cobra.Command {
	v := view{format: formatPretty}
	c := command("list [flags] [CLUSTER_NAME...]", "List the members of a cluster", cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		return p.show(ctx, args, v)
	})
	c.Flags().VarP(oneOf(&v.format, formats...), "format", "f", "`FORMAT`: "+strings.Join(formats, ", "))
	c.Flags().BoolVarP(&v.extended, "extended", "e", false, "show all columns")
	c.Flags().BoolVarP(&v.timestamps, "timestamp", "t", false, "print the time first")
	v.watchFlags(c)
	return c
}

func (p *program) topologyCommand() *cobra.Command {
	v := view{format: formatTopology}
	c := command("topology [flags] [CLUSTER_NAME...]", "Show who replicates from whom", cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		return p.show(ctx, args, v)
	})
	v.watchFlags(c)
	return c
}

// show lists clusters, once or until it is interrupted.
func (p *program) show(ctx context.Context, names []string, v view) error {
	if len(names) == 0 {
		name, err := p.scope()
		if err != nil {
			return err
		}
		if name == "" {
			fmt.Fprintln(p.o.Err, "Listing members: No cluster names were provided")
			return nil
		}
		names = []string{name}
	}
	sessions := make([]*session, 0, len(names))
	for _, name := range names {
		s, err := p.open(ctx, name)
		if err != nil {
			return err
		}
		defer s.close()
		sessions = append(sessions, s)
	}
	every := time.Duration(v.every * float64(time.Second))
	if every <= 0 && v.everyTwo {
		every = 2 * time.Second
	}
	for {
		if every > 0 {
			fmt.Fprint(p.o.Out, "\x1b[2J\x1b[1;1H")
		}
		for _, s := range sessions {
			if v.timestamps {
				p.say("%s", p.o.Now().Format(time.DateTime))
			}
			if err := s.list(v.format, v.extended); err != nil {
				return err
			}
		}
		if every <= 0 {
			return nil
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
		for _, s := range sessions {
			if err := s.read(ctx); err != nil {
				return err
			}
		}
	}
}

// list prints the cluster as it was read last.
func (s *session) list(format string, extended bool) error {
	if err := listing(s.name, s.view, format, extended).write(s.o.Out, format); err != nil {
		return err
	}
	if format == formatPretty || format == formatTopology {
		s.service()
	}
	return nil
}

// service says what is going on in the cluster beside its members.
func (s *session) service() {
	if s.settings().Pause {
		s.say(" Maintenance mode: on")
	}
	f := s.view.Failover
	if f.ScheduledAt.IsZero() {
		return
	}
	s.say(" Switchover scheduled at: %s", dcs.FormatTime(f.ScheduledAt))
	if f.Leader != "" {
		s.say("%24s: %s", "from", f.Leader)
	}
	if f.Candidate != "" {
		s.say("%24s: %s", "to", f.Candidate)
	}
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errAborted
	}
}
