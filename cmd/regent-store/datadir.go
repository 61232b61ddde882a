package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/storage/schema"
)

// identity is what a data directory was made for. etcd itself takes the flags of
// the first start and silently ignores others later on.
type identity struct {
	Name  string `json:"name"`
	Token string `json:"cluster_token"`
}

const identityFile = "regent-store.json"

// claim makes the directory if it isn't there, and refuses one of another
// member, another cluster, another version or another process.
func claim(dir string, want identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	used := exists(filepath.Join(dir, "member"))
	switch {
	case err == nil:
		var got identity
		if err := json.Unmarshal(text, &got); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if got.Name != want.Name {
			return fmt.Errorf("--data-dir %s is the member %q's: start it with --name %s, or name another directory", dir, got.Name, got.Name)
		}
		if got.Token != want.Token {
			return fmt.Errorf("--data-dir %s belongs to the cluster %q, not to %q: name another directory, or that --cluster-token", dir, got.Token, want.Token)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--data-dir: %w", err)
	case used:
		return fmt.Errorf("--data-dir %s holds the data of another etcd: name an empty directory", dir)
	default:
		if err := onlyEmpty(dir); err != nil {
			return err
		}
		text, err := json.Marshal(want)
		if err == nil {
			err = os.WriteFile(path, append(text, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("--data-dir: %w", err)
		}
	}
	if !used {
		return nil
	}
	return usable(filepath.Join(dir, "member", "snap", "db"))
}

// onlyEmpty refuses a directory with something in it that isn't ours.
func onlyEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("--data-dir %s is not empty (%s): name an empty directory", dir, e.Name())
		}
	}
	return nil
}

// lockWait is how long a process that just ended may take to let its lock go.
const lockWait = 2 * time.Second

// usable says why the database can't be opened by this version: etcd moves from
// one minor version to the next, and back by one, never further.
func usable(db string) error {
	if !exists(db) {
		return nil // the first start was cut short
	}
	opened, err := bbolt.Open(db, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	switch {
	case errors.Is(err, bbolt.ErrTimeout):
		return fmt.Errorf("%s is in use: another process serves this data directory", db)
	case err != nil:
		return fmt.Errorf("%s can't be opened: %w", db, err)
	}
	defer opened.Close()
	return opened.View(func(tx *bbolt.Tx) error {
		of := schema.ReadStorageVersionFromSnapshot(tx)
		own := semver.New(version.Version)
		if of == nil || (of.Major == own.Major && of.Minor <= own.Minor && of.Minor >= own.Minor-1) {
			return nil
		}
		return fmt.Errorf("%s is of etcd %d.%d, this is %d.%d: etcd goes up one minor version at a time and never down",
			strings.TrimSuffix(db, "/member/snap/db"), of.Major, of.Minor, own.Major, own.Minor)
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
