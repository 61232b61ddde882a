package postgres

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// elsewhere lists the directories elsewhere that pg_basebackup will fill.
func (s *Server) elsewhere(ctx context.Context, from Upstream) []string {
	settings := s.Settings()
	var dirs []string
	for _, arg := range settings.CloneArgs {
		if dir, ok := strings.CutPrefix(arg, "--waldir="); ok {
			dirs = append(dirs, dir)
		}
	}
	if !from.IsZero() {
		spaces, err := tablespaces(ctx, settings, from)
		if err != nil {
			s.log.Warn("the source's tablespaces can't be listed: what a failed clone leaves there has to be removed by hand", "error", err)
		}
		for _, dir := range spaces {
			dirs = append(dirs, mapped(dir, settings.CloneArgs))
		}
	}
	return dirs
}

// emptyDirs are those that are empty now: what a failed try leaves there is ours
// to remove, and pg_basebackup itself doesn't.
func emptyDirs(dirs []string) ([]string, error) {
	var empty []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if filepath.IsAbs(dir) && len(entries) == 0 && !strings.Contains(dir, "\n") { // the mark has one a line
			empty = append(empty, dir)
		}
	}
	return empty, nil
}

func tablespaces(ctx context.Context, settings Settings, from Upstream) ([]string, error) {
	config, err := settings.connConfig(settings.rewindCredentials(), from.Host, from.Port, nil)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%'")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// mapped is where pg_basebackup puts the tablespace of dir.
func mapped(dir string, args []string) string {
	for _, arg := range args {
		if to, ok := strings.CutPrefix(arg, "--tablespace-mapping="+strings.ReplaceAll(dir, "=", `\=`)+"="); ok {
			return strings.ReplaceAll(to, `\=`, "=")
		}
	}
	return dir
}
