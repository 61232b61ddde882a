package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// dropRoot makes a process that was started by root one of the user that owns
// the data directory, or the nearest directory above it that is there.
// PostgreSQL refuses root.
func dropRoot(dataDir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, uid, gid, err := owner(dataDir)
	if err != nil {
		return err
	}
	if uid == 0 {
		return fmt.Errorf("postgresql.data_dir %s: %s belongs to root, as whom PostgreSQL doesn't run: give it to the user that PostgreSQL is to run as", dataDir, dir)
	}
	groups := []int{gid}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		os.Setenv("HOME", u.HomeDir)
		os.Setenv("USER", u.Username)
		groups = supplementary(u, gid)
	}
	// syscall's functions change all threads of the process.
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("become the owner of %s: %w", dir, err)
	}
	return nil
}

func owner(dir string) (path string, uid, gid int, err error) {
	for {
		info, err := os.Stat(dir)
		if err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			return dir, int(stat.Uid), int(stat.Gid), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", 0, 0, fmt.Errorf("postgresql.data_dir: %w", err)
		}
		dir = filepath.Dir(dir)
	}
}

func supplementary(u *user.User, gid int) []int {
	groups := []int{gid}
	ids, err := u.GroupIds()
	if err != nil {
		return groups
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != gid {
			groups = append(groups, n)
		}
	}
	return groups
}
