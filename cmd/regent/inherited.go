package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/regent-ha/regent/postgres"
)

// dropInherited takes away what whoever started us may have left behind and
// nobody meant for us: variables of libpq, which would turn our connections to
// another server or change their settings, and open files, which our guard and
// PostgreSQL would hold for as long as they live.
func dropInherited() error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); postgres.LibpqVariable(name) {
			os.Unsetenv(name)
		}
	}
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return fmt.Errorf("find the files that are open already: %w", err)
	}
	for _, file := range open {
		if fd, err := strconv.Atoi(file.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd) // one that was closed meanwhile doesn't matter
		}
	}
	return nil
}
