package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/client/v3/snapshot"
	restoring "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

func snapshotCommand() *cobra.Command {
	c := &cobra.Command{Use: "snapshot", Short: "Save what a store has, and make a new store of that"}
	c.AddCommand(saveCommand(), restoreCommand())
	return c
}

func saveCommand() *cobra.Command {
	var via connection
	c := &cobra.Command{
		Use: "save FILE", Short: "Save a snapshot from a member that runs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), via.timeout)
			defer cancel()
			return save(ctx, via, args[0], cmd.OutOrStdout())
		},
	}
	via.flags(c.Flags())
	return c
}

func save(ctx context.Context, via connection, file string, out io.Writer) error {
	if exists(file) {
		return fmt.Errorf("%s is there already, and may be the only copy: name another file", file)
	}
	client, err := via.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	config, err := via.config()
	if err != nil {
		return err
	}
	for _, e := range via.endpoints { // a snapshot is one member's
		config.Endpoints = []string{e}
		within, cancel := context.WithTimeout(ctx, statusTimeout)
		_, err := client.Status(within, e)
		cancel()
		if err == nil {
			break
		}
	}
	if _, err := snapshot.SaveWithVersion(ctx, zap.NewNop(), config, file); err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	// What was sent had its checksum; what was written is read once more.
	status, err := restoring.NewV3(zap.NewNop()).Status(file)
	if err != nil {
		return fmt.Errorf("%s was saved, but can't be read: %w", file, err)
	}
	fmt.Fprintf(out, "%s: %d keys at revision %d, %d kB\n", file, status.TotalKey, status.Revision, status.TotalSize/1024)
	return nil
}

// revisionBump: a restored store goes on with revisions that no client has seen.
// A watch or a condition that is older than the restore then fails, instead of
// meaning something else.
const revisionBump = 1_000_000_000

func restoreCommand() *cobra.Command {
	var o options
	var away time.Duration
	c := &cobra.Command{
		Use: "restore FILE --data-dir DIR", Short: "Make a member of a new store out of a snapshot, each with the same file", Args: cobra.ExactArgs(1),
		Long: "Make a member of a new store out of a snapshot, each with the same file. All members of the former store must have been stopped\n" +
			"before: it and the restored one would each grant the same leader key.",
		RunE: func(cmd *cobra.Command, args []string) error { return restore(o, args[0], away, cmd.OutOrStdout()) },
	}
	o.place(c.Flags())
	c.Flags().MarkHidden("join")
	c.Flags().DurationVar(&away, "away", time.Minute, "how long from now on the store stays away: longer than the longest ttl of its clusters, for what the former store granted to end")
	return c
}

// restore makes a data directory of a snapshot. A leader whom the former store
// granted its key, after the snapshot or not, may hold it for one ttl more: so
// long the restored store must not give it to another.
func restore(o options, file string, away time.Duration, out io.Writer) error {
	if err := o.adopt(); err != nil {
		return err
	}
	if o.join {
		return errors.New("--join: a restored store is a new one")
	}
	dir, err := filepath.Abs(o.dataDir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if exists(dir) {
		if err := onlyEmpty(dir); err != nil {
			return err
		}
	}
	peer, err := parseURL("--listen-peer", o.listenPeer)
	if err != nil {
		return err
	}
	members, err := o.members(peer)
	if err != nil {
		return err
	}
	generation, err := sum(file)
	if err != nil {
		return err
	}
	err = restoring.NewV3(zap.NewNop()).Restore(restoring.RestoreConfig{
		SnapshotPath: file, Name: o.name, OutputDataDir: dir, PeerURLs: []string{peer.String()}, InitialCluster: members,
		// Members of the former store must be strangers.
		InitialClusterToken: o.token + "-" + generation, RevisionBump: revisionBump, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", file, err)
	}
	until := time.Now().Add(away)
	id := identity{Name: o.name, Token: o.token, Served: true, NotBefore: &until}
	if err := id.write(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is the member %s of a new store of %s, which begins at %s\n", dir, o.name, members, until.Format(time.TimeOnly))
	return nil
}

// sum names a file's content.
func sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	return fmt.Sprintf("%.8x", h.Sum(nil)), nil
}
