package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// stagingPrefix begins the name of the folder inside the data directory that
// pg_basebackup writes to. The attempt is named behind it: nothing else in the
// directory is what a copy left that didn't finish.
const stagingPrefix = "clone-"

// basebackup runs pg_basebackup into a new folder inside the data directory and
// moves what it made up from there: the directory itself may be a mount point,
// with files that pg_basebackup doesn't tolerate.
func (s *Server) basebackup(ctx context.Context, a *attempt, from Upstream, progress func(Progress)) error {
	settings := s.Settings()
	slot, err := s.cloneSlot(ctx, settings, from)
	if err != nil {
		return err
	}
	staging := s.dataPath(a.staging())
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	l, err := s.login(forClone, settings.Replication, from.Host, from.Port, settings.database())
	if err != nil {
		return err
	}
	args := []string{"--pgdata=" + staging, "--wal-method=stream", "--checkpoint=fast", "--progress", "--no-password", "--dbname=" + l.conninfo}
	if slot != "" {
		args = append(args, "--slot="+slot)
	}
	j := job{
		path: s.program("pg_basebackup"), args: append(args, settings.CloneArgs...), dir: "/",
		env: toolEnv(append(l.env, "LC_ALL=C")...), secret: l.secret,
		line: func(line string) {
			if p, ok := parseProgress(line); ok && progress != nil {
				progress(p)
			}
		},
	}
	err = errors.Join(j.run(ctx), l.close())
	switch {
	case err != nil && strings.Contains(err.Error(), "authentication failed for user"):
		return settings.Replication.blame(err)
	case err != nil:
		return err
	}
	if err := s.markCopied(a); err != nil {
		return err
	}
	return s.moveUp(staging)
}

// cloneSlot makes sure of the slot that keeps the WAL from the backup on until
// the standby streams; pg_basebackup would use a temporary one, which leaves a gap.
func (s *Server) cloneSlot(ctx context.Context, settings Settings, from Upstream) (string, error) {
	if !settings.UseSlots || from.Slot == "" || hasArg(settings.CloneArgs, "no-slot", "slot", "create-slot") {
		return "", nil
	}
	r, err := dialReplication(ctx, settings, settings.Replication, from.Host, from.Port)
	if err != nil {
		return "", err
	}
	defer r.close(ctx)
	if err := r.createSlot(ctx, from.Slot); err != nil {
		return "", fmt.Errorf("create slot %q there: %w", from.Slot, err)
	}
	return from.Slot, nil
}

// moveUp moves all that staging has into the data directory, and gives that the
// mode that pg_basebackup found at the source.
func (s *Server) moveUp(staging string) error {
	entries, err := os.ReadDir(staging)
	if err != nil {
		return err
	}
	for _, e := range entries { // before the first one is moved: what is in the way is somebody's
		if to := s.dataPath(e.Name()); exists(to) {
			return fmt.Errorf("%s is in the way of what was copied", to)
		}
	}
	for _, e := range entries {
		to := s.dataPath(e.Name())
		if exists(to) {
			return fmt.Errorf("%s is in the way of what was copied", to)
		}
		if err := os.Rename(filepath.Join(staging, e.Name()), to); err != nil {
			return err
		}
	}
	if err := os.Remove(staging); err != nil {
		return err
	}
	global, err := os.Stat(s.dataPath("global"))
	if err != nil {
		return err
	}
	return os.Chmod(s.opts.DataDir, global.Mode().Perm())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// progressLine is what pg_basebackup and pg_rewind print with --progress:
//
//	23134/23134 kB (100%), 1/1 tablespace
//	 1234/56789 kB (2%) copied
var progressLine = regexp.MustCompile(`^\s*([0-9]+)/([0-9]+) kB \([0-9]+%\)`)

func parseProgress(line string) (Progress, bool) {
	m := progressLine.FindStringSubmatch(line)
	if m == nil {
		return Progress{}, false
	}
	done, errDone := strconv.ParseInt(m[1], 10, 64)
	total, errTotal := strconv.ParseInt(m[2], 10, 64)
	if errDone != nil || errTotal != nil {
		return Progress{}, false
	}
	return Progress{Done: done << 10, Total: total << 10}, true
}
