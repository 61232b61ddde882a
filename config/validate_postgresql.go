package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// checkPrograms looks for PostgreSQL's programs and compares their version with
// the data directory.
func (c *Config) checkPrograms(ctx context.Context, useRewind bool, r *report) {
	c.checkData(ctx, c.findPrograms(r), r)
	if useRewind {
		c.findProgram("pg_rewind", r.refuse)
	}
}

// CheckPrograms returns an InvalidError if PostgreSQL's programs aren't where
// the configuration says: nothing can be started then, nor copied. Without
// pg_rewind all of that can be done, and it is only a warning.
func (c *Config) CheckPrograms(useRewind bool) ([]Warning, error) {
	r := &report{}
	c.findPrograms(r)
	if useRewind {
		c.findProgram("pg_rewind", r.warn)
	}
	return r.result()
}

// findPrograms returns the path of the server's.
func (c *Config) findPrograms(r *report) (server string) {
	server = c.findProgram("postgres", r.refuse)
	c.findProgram("initdb", r.refuse)
	c.findProgram("pg_basebackup", r.refuse)
	return server
}

// findProgram returns the path of a program, or says that it can't be run.
func (c *Config) findProgram(name string, say func(key, format string, args ...any)) string {
	path, err := exec.LookPath(c.program(name))
	if err != nil {
		say("postgresql.bin_dir", "%s can't be run: %v", c.program(name), lookupReason(err))
		return ""
	}
	return path
}

// lookupReason is the part of an error of exec.LookPath that says why.
func lookupReason(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return err
}

// program is the path of one of PostgreSQL's programs, or its name where PATH is searched.
func (c *Config) program(name string) string {
	if other := c.PostgreSQL.BinNames[name]; other != "" {
		name = other
	}
	return filepath.Join(c.PostgreSQL.BinDir, name)
}

// checkData refuses a data directory that is neither empty nor of server's version.
func (c *Config) checkData(ctx context.Context, server string, r *report) {
	const key = "postgresql.data_dir"
	dir := c.PostgreSQL.DataDir
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return
	case err != nil:
		r.refuse(key, "%v", plainPathError(dir, err))
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		r.refuse(key, "%s isn't empty and no data directory of PostgreSQL: %v", dir, plainPathError("PG_VERSION", err))
		return
	}
	if at, err := os.Stat(filepath.Join(dir, "pg_wal")); err != nil || !at.IsDir() {
		r.refuse(key, "%s has no pg_wal", dir)
	}
	if server == "" {
		return
	}
	major, err := majorVersion(ctx, server)
	if err != nil {
		r.refuse("postgresql.bin_dir", "%v", err)
	} else if has := strings.TrimSpace(string(text)); has != major {
		r.refuse(key, "%s is of PostgreSQL %s, and %s of %s", dir, has, server, major)
	}
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func majorVersion(ctx context.Context, server string) (string, error) {
	out, err := exec.CommandContext(ctx, server, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", server, err)
	}
	found := versionText.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("%s --version: no version in %q", server, strings.TrimSpace(string(out)))
	}
	return string(found[1]), nil
}
