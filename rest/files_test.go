package rest

import (
	"syscall"
	"testing"
)

// raiseFiles lets the process open that many files.
func raiseFiles(t *testing.T, atLeast uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= atLeast {
		return
	}
	if limit.Max < atLeast {
		t.Fatalf("the test needs %d open files, %d are allowed: ulimit -n", atLeast, limit.Max)
	}
	limit.Cur = atLeast
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
