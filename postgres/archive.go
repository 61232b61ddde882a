package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// archiveReady archives by the configured command what a stopped server has left
// to archive, oldest first. A rewind removes it, and a standby never archives
// what its primary failed to: the archive would have a gap. A failure is logged;
// it must not keep the server from coming back.
func (s *Server) archiveReady(ctx context.Context) {
	status := s.dataPath("pg_wal/archive_status")
	ready, err := filepath.Glob(filepath.Join(status, "*.ready"))
	if err != nil || len(ready) == 0 {
		return
	}
	configured, err := s.archiveCommand(ctx)
	if err != nil {
		s.log.Warn("segments wait for the archive and can't be archived before the rewind", "segments", len(ready), "error", err)
		return
	}
	if configured == "" {
		return
	}
	slices.Sort(ready)
	for i, path := range ready {
		name := strings.TrimSuffix(filepath.Base(path), ".ready")
		if err := s.archiveOne(ctx, configured, name); err != nil {
			s.log.Warn("segments that waited for the archive can't be archived before the rewind", "segments", len(ready)-i, "first", name, "error", err)
			return
		}
		if err := os.Rename(path, strings.TrimSuffix(path, ".ready")+".done"); err != nil {
			s.log.Warn("a segment was archived and can't be marked so", "segment", name, "error", err)
			return
		}
	}
	s.log.Info("archived what had waited for it", "segments", len(ready))
}

// firstArchiveLibrary is the major version that knows archive_library, which
// takes the place of archive_command.
const firstArchiveLibrary = 15

// archiveCommand is empty where nothing is to be archived.
func (s *Server) archiveCommand(ctx context.Context) (string, error) {
	mode, err := s.setting(ctx, "archive_mode")
	if err != nil || mode == "off" {
		return "", err
	}
	major, err := s.majorVersion()
	if err != nil {
		return "", err
	}
	if major >= firstArchiveLibrary {
		library, err := s.setting(ctx, "archive_library")
		if err != nil {
			return "", err
		}
		if library != "" {
			return "", fmt.Errorf("only a running server can archive by archive_library (%q)", library)
		}
	}
	return s.setting(ctx, "archive_command")
}

// archiveOne runs the command as the server does: by a shell, in the data
// directory (PostgreSQL documentation, "archive_command").
func (s *Server) archiveOne(ctx context.Context, configured, name string) error {
	line := strings.NewReplacer("%p", "pg_wal/"+name, "%f", name, "%%", "%").Replace(configured)
	return job{path: "/bin/sh", args: []string{"-c", line}, env: serverEnv(), dir: s.opts.DataDir}.run(ctx)
}

// setting is what a start of the stopped server would take for a setting, by
// its files.
func (s *Server) setting(ctx context.Context, name string) (string, error) {
	var value string
	j := job{
		path: s.program("postgres"), dir: "/", env: toolEnv("LC_ALL=C"),
		args: []string{"-D", s.opts.DataDir, "--config-file=" + filepath.Join(s.configDir(), s.opts.ConfigBaseName+".conf"), "-C", name},
		line: func(line string) { value = line },
	}
	err := j.run(ctx)
	return value, err
}
