package fence

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Available says why no guard can run here, or nil.
func Available() error {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return fmt.Errorf("fence: no guard can run here: it needs /proc: %w", err)
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("fence: no guard can run here: it needs pidfd_open (Linux 5.3): %w", err)
	}
	if err == nil {
		unix.Close(fd)
	}
	return nil
}
