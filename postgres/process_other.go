//go:build !linux

package postgres

import (
	"errors"
	"syscall"
)

// errPlatform is what everything that looks at processes answers where there is
// no pidfd: a server can't be managed safely there.
var errPlatform = errors.New("PostgreSQL can be managed on Linux only")

type process struct{ pid int }

func openProcess(int) (*process, error)        { return nil, errPlatform }
func (p *process) dead() bool                  { return true }
func (p *process) wait() error                 { return errPlatform }
func (p *process) signal(syscall.Signal) error { return errPlatform }
func (p *process) close()                      {}

type inode struct{ dev, ino uint64 }

func inodeOf(string) (inode, error)      { return inode{}, errPlatform }
func isServer(int, inode, []string) bool { return false }
func arguments(int) []string             { return nil }
func title(int) string                   { return "" }
func parent(int) int                     { return 0 }
func pids(uint32) ([]int, error)         { return nil, errPlatform }
func exchange(string, string) error      { return errPlatform }
func owner(string) (uint32, error)       { return 0, errPlatform }
