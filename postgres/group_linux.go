package postgres

import "syscall"

// groupAttr starts a program in a process group of its own, which ends when we do.
func groupAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
