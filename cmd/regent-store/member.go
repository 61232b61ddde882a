package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func memberCommand() *cobra.Command {
	var via connection
	c := &cobra.Command{Use: "member", Short: "Grow and shrink a store that runs"}
	via.flags(c.PersistentFlags())
	with := func(do func(context.Context, *clientv3.Client, io.Writer, []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), via.timeout)
			defer cancel()
			client, err := via.open(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			return do(ctx, client, cmd.OutOrStdout(), args)
		}
	}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "Show all members and how they are", Args: cobra.NoArgs, RunE: with(listMembers)},
		&cobra.Command{
			Use: "add NAME PEER-URL", Short: "Add a member, which votes when it runs and has caught up",
			Args: cobra.ExactArgs(2), RunE: with(addMember),
		},
		&cobra.Command{
			Use: "remove NAME|ID", Short: "Remove a member, lost or not; its data directory stays",
			Args: cobra.ExactArgs(1), RunE: with(removeMember),
		},
	)
	return c
}

func listMembers(ctx context.Context, client *clientv3.Client, out io.Writer, _ []string) error {
	all, err := standings(ctx, client)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tROLE\tSTATE\tPEER URL\tCLIENT URL\tSIZE")
	for _, s := range all {
		role, state, size := "voter", "running", "-"
		switch {
		case s.IsLearner:
			role = "learner"
		case s.leads():
			role = "leader"
		}
		if !s.isWell() {
			state = s.ailment()
		}
		if s.err == nil {
			size = fmt.Sprintf("%d kB", s.status.DbSize/1024)
		}
		name := s.Name
		if name == "" {
			name = "-"
		}
		fmt.Fprintf(w, "%s\t%x\t%s\t%s\t%s\t%s\t%s\n", name, s.ID, role, state, strings.Join(s.PeerURLs, ","), strings.Join(s.ClientURLs, ","), size)
	}
	return w.Flush()
}

// addMember adds a learner: a voter that doesn't run yet would be one that a
// majority has to do without.
func addMember(ctx context.Context, client *clientv3.Client, out io.Writer, args []string) error {
	name := args[0]
	peer, err := parseURL("PEER-URL", args[1])
	if err != nil {
		return err
	}
	if name == "" || strings.ContainsAny(name, "=, ") {
		return fmt.Errorf("NAME %q: a word without blanks, commas and equals signs is needed", name)
	}
	all, err := standings(ctx, client)
	if err != nil {
		return err
	}
	if err := mayAdd(all, name, peer.String()); err != nil {
		return err
	}
	var added *clientv3.MemberAddResponse
	err = reconfigure(ctx, func() (err error) {
		added, err = client.MemberAddAsLearner(ctx, []string{peer.String()})
		return err
	})
	if err != nil {
		return fmt.Errorf("add %s: %w", name, err)
	}
	var entries []string
	for _, m := range added.Members {
		called := m.Name
		if m.ID == added.Member.ID {
			called = name
		}
		for _, url := range m.PeerURLs {
			entries = append(entries, called+"="+url)
		}
	}
	fmt.Fprintf(out, "%s is a learner until it runs and has caught up. On its machine, with an empty directory:\n\n"+
		"  regent-store init --join --name %s --data-dir DIR --listen-peer %s \\\n      --initial-cluster %s\n\nand then start it: regent-store run --data-dir DIR …\n",
		name, name, peer.String(), strings.Join(entries, ","))
	return nil
}

func removeMember(ctx context.Context, client *clientv3.Client, out io.Writer, args []string) error {
	all, err := standings(ctx, client)
	if err != nil {
		return err
	}
	who, err := mayRemove(all, args[0])
	if err != nil {
		return err
	}
	if err := giveUpLeadership(ctx, client, all, who); err != nil {
		return err
	}
	err = reconfigure(ctx, func() error {
		_, err := client.MemberRemove(ctx, who.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", who.called(), err)
	}
	fmt.Fprintf(out, "%s is removed. Its data directory stays where it is, and can't be used for it again.\n", who.called())
	return nil
}

// reconfigure tries until ctx ends while etcd finds the store unhealthy: it wants
// all members connected for five seconds before one more (HealthInterval).
func reconfigure(ctx context.Context, try func() error) error {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if !errors.Is(err, rpctypes.ErrUnhealthy) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// giveUpLeadership moves the store's leadership away from a member that is to go:
// its removal alone would leave the store without a leader until an election.
func giveUpLeadership(ctx context.Context, client *clientv3.Client, all []standing, who standing) error {
	if !who.leads() {
		return nil
	}
	for _, s := range all {
		if s.ID == who.ID || s.IsLearner || !s.isWell() {
			continue
		}
		client.SetEndpoints(who.ClientURLs...) // only the leader takes this request
		_, err := client.MoveLeader(ctx, s.ID)
		client.SetEndpoints(s.ClientURLs...)
		if err != nil {
			return fmt.Errorf("move the leadership from %s to %s: %w", who.called(), s.called(), err)
		}
		return nil
	}
	return fmt.Errorf("%s leads the store, and there is nobody else who could", who.called())
}
