package testenv

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The majors of PostgreSQL that tests run on.
const (
	OldestMajor = 14
	NewestMajor = 18
)

// majorsVar has the folder with the majors, each as MAJOR/bin. By default it is
// where scripts/majors puts them.
const majorsVar = "REGENT_TEST_MAJORS"

// MajorBin is the folder with the programs of one of PostgreSQL's majors:
// initdb, pg_ctl, postgres, pg_basebackup, pg_isready and psql, but no pg_rewind
// and no pg_controldata.
func MajorBin(tb testing.TB, major int) string {
	tb.Helper()
	dir, err := majorsDir()
	bin := filepath.Join(dir, strconv.Itoa(major), "bin")
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, "pg_basebackup")) // the last that is put there
	}
	if err != nil {
		tb.Fatalf("no PostgreSQL %d found (%v): scripts/majors installs it", major, err)
	}
	return bin
}

// majorsDir is in the first cache that has it: that of whoever runs the tests,
// or the system's, where it is for tests that root starts.
func majorsDir() (string, error) {
	if dir := os.Getenv(majorsVar); dir != "" {
		return dir, nil
	}
	key, err := majorsKey()
	if err != nil {
		return "", err
	}
	own, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	for _, cache := range []string{own, "/var/cache"} {
		dir := filepath.Join(cache, "regent", "postgresql", key)
		if _, err = os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	return "", err
}

// majorsKey names what the repository pins.
func majorsKey() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		var lock []byte
		lock, err = os.ReadFile(filepath.Join(dir, "tools", "postgresql", "package-lock.json"))
		if err == nil {
			return fmt.Sprintf("%x", sha256.Sum256(lock))[:16], nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir, err = filepath.Dir(dir), nil
	}
	return "", fmt.Errorf("look for tools/postgresql: %w", err)
}
