package lab

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// endPatience is how long PostgreSQL may take to end by itself, which leaves no
// shared memory behind.
const endPatience = 3 * time.Second

// end ends all processes that work on dir: agents first, who would start the
// others again, then PostgreSQL at once but by itself, then what is left. Guards
// and postmasters live in sessions of their own and survive everybody else.
func end(dir string, programs []string) error {
	start := time.Now()
	for {
		left := processes(dir, programs)
		if len(left) == 0 {
			break
		}
		age := time.Since(start)
		if age > 4*endPatience {
			return fmt.Errorf("lab: %d processes on %s can't be ended: %s", len(left), dir, list(left))
		}
		for _, r := range left {
			switch {
			case !r.isPostgres() || age > endPatience:
				r.signal(syscall.SIGKILL)
			case isPostmaster(r):
				r.signal(syscall.SIGQUIT)
				r.signal(syscall.SIGCONT)
			}
		}
		time.Sleep(pollInterval)
	}
	removeSharedMemory(dir)
	return nil
}

// isPostmaster: its children rename themselves.
func isPostmaster(r running) bool { return r.isPostgres() && filepath.Base(r.args[0]) == "postgres" }

func list(all []running) string {
	var out []string
	for _, r := range all {
		out = append(out, fmt.Sprintf("%d (%s)", r.pid, strings.Join(r.args, " ")))
	}
	return strings.Join(out, ", ")
}
