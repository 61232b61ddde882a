package postgres

import (
	"os"
	"slices"
	"strings"
)

// toolEnv is the whole environment of PostgreSQL's own programs: what decides
// about languages, time zones and where programs and libraries are found. A
// PGPASSWORD or PGHOST of ours would turn them to another server.
func toolEnv(extra ...string) []string {
	return append(filterEnv(func(name string) bool {
		switch name {
		case "PATH", "LANG", "LANGUAGE", "TZ", "HOME", "USER", "LOGNAME", "TMPDIR", "LD_LIBRARY_PATH":
			return true
		}
		return strings.HasPrefix(name, "LC_")
	}), extra...)
}

// serverEnv is the environment of the postmaster and of our user's commands,
// whose archive_command or callback may need variables that only they know. What
// belongs to us, to our service manager or to libpq is left out.
func serverEnv(extra ...string) []string {
	env := filterEnv(func(name string) bool {
		switch {
		case name == "PG_OOM_ADJUST_FILE" || name == "PG_OOM_ADJUST_VALUE":
			return true // the postmaster's own
		case name == "NOTIFY_SOCKET", name == "WATCHDOG_PID", name == "WATCHDOG_USEC":
			return false
		}
		for _, prefix := range []string{"PG", "PATRONI_", "REGENT_", "KUBERNETES_", "LISTEN_"} {
			if strings.HasPrefix(name, prefix) {
				return false
			}
		}
		return true
	})
	if arenas := os.Getenv("PG_MALLOC_ARENA_MAX"); arenas != "" {
		env = append(env, "MALLOC_ARENA_MAX="+arenas)
	}
	return append(env, extra...)
}

func filterEnv(keep func(name string) bool) []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !keep(name)
	})
}
