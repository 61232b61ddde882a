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
	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/storage/schema"
)

// identity is what a data directory was made for. etcd itself takes the flags of
// the first start and silently ignores others later on.
type identity struct {
	Name  string `json:"name"`
	Token string `json:"cluster_token"`
	// Members is what the first start begins with: --initial-cluster.
	Members string `json:"initial_cluster,omitempty"`
	// Join: the first start joins a store that runs.
	Join bool `json:"join,omitempty"`
	// Served: there was data here. If it is gone, it isn't made anew.
	Served bool `json:"served,omitempty"`
	// NotBefore is when a restored store may begin: see restore.
	NotBefore *time.Time `json:"not_before,omitempty"`
}

const identityFile = "regent-store.json"

// identify reads what the directory was made for; nil: nothing says so.
func identify(dir string) (*identity, error) {
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	var id identity
	if err := json.Unmarshal(text, &id); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &id, nil
}

// write puts the identity into its directory, at once or not at all.
func (id identity) write(dir string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	path := filepath.Join(dir, identityFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	return nil
}

// holdsData says whether etcd's data are in the directory.
func holdsData(dir string) bool { return exists(filepath.Join(dir, "member")) }

// prepare makes an empty directory, or one that isn't there yet, a member's.
func prepare(dir string, id identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if holdsData(dir) {
		return fmt.Errorf("--data-dir %s holds the data of another etcd: name an empty directory", dir)
	}
	if err := onlyEmpty(dir); err != nil {
		return err
	}
	return id.write(dir)
}

// claim refuses a directory that isn't want's, or that this version or this
// process can't use.
func claim(dir string, want identity) error {
	got, err := identify(dir)
	switch {
	case err != nil:
		return err
	case got == nil && holdsData(dir):
		return fmt.Errorf("--data-dir %s holds the data of another etcd: name an empty directory", dir)
	case got == nil:
		return fmt.Errorf("--data-dir %s holds no store: regent-store init makes a new one there; in the place of a member that was lost: regent-store member remove, member add, then init --join", dir)
	case got.Name != want.Name:
		return fmt.Errorf("--data-dir %s is the member %q's: start it with --name %s, or name another directory", dir, got.Name, got.Name)
	case got.Token != want.Token:
		return fmt.Errorf("--data-dir %s belongs to the cluster %q, not to %q: name another directory, or that --cluster-token", dir, got.Token, want.Token)
	case got.Served && !holdsData(dir):
		return fmt.Errorf("--data-dir %s had the data of %q, which are gone: to bring the member back, regent-store member remove, member add, then init --join on another directory", dir, got.Name)
	case !holdsData(dir):
		return nil
	}
	return usable(filepath.Join(dir, "member", "snap", "db"))
}

// served notes that the member has its place in the store.
func served(dir string) error {
	id, err := identify(dir)
	if err != nil || id == nil || id.Served {
		return err
	}
	id.Served, id.Members, id.Join, id.NotBefore = true, "", false, nil
	return id.write(dir)
}

// onlyEmpty refuses a directory with something in it that isn't ours.
func onlyEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && e.Name() != identityFile+".new" {
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
	case errors.Is(err, bolterrors.ErrTimeout):
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
