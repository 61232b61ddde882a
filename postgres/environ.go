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
		case LibpqVariable(name), name == "NOTIFY_SOCKET", name == "WATCHDOG_PID", name == "WATCHDOG_USEC":
			return false
		}
		for _, prefix := range []string{"PATRONI_", "REGENT_", "KUBERNETES_", "LISTEN_"} {
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

// LibpqVariable says whether an environment variable is libpq's: one that turns
// connections to another server or changes their settings (PostgreSQL
// documentation, "Environment Variables" of libpq). With one exception they have
// no underscore, unlike those of the postmaster (PG_OOM_ADJUST_FILE) and of
// programs that an archive_command may run (PGBACKREST_STANZA).
func LibpqVariable(name string) bool {
	return name == "PGCONNECT_TIMEOUT" || strings.HasPrefix(name, "PG") && !strings.Contains(name, "_")
}

func filterEnv(keep func(name string) bool) []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !keep(name)
	})
}
