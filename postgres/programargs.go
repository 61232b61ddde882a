package postgres

import (
	"fmt"
	"slices"
	"strings"
)

// Options of programs that are ours to give, or that would make something else
// of what the program is run for.
var (
	cloneArgsRefused  = []string{"pgdata", "format", "wal-method", "xlog-method", "gzip", "version", "help", "dbname", "host", "port", "username", "password", "target"}
	rewindArgsRefused = []string{"target-pgdata", "source-pgdata", "source-server", "write-recovery-conf", "dry-run", "restore-target-wal", "config-file", "no-ensure-shutdown", "version", "help"}
)

// checkArgs says which of our user's options can't be given to a program.
// Programs take an option by any beginning of its name that is no other's.
func checkArgs(program string, args, refused []string) error {
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") || name == "" {
			return fmt.Errorf("option %q of %s: it must look like --name or --name=value", arg, program)
		}
		if slices.ContainsFunc(refused, func(r string) bool { return strings.HasPrefix(r, name) }) {
			return fmt.Errorf("option %q of %s isn't allowed: it is given by us or makes no copy to run", "--"+name, program)
		}
		if name == "compress" && !strings.HasPrefix(value, "server") {
			return fmt.Errorf("option %q of %s isn't allowed: only server-side compression is, as --compress=server-gzip", arg, program)
		}
	}
	return nil
}

func hasArg(args []string, names ...string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		return slices.Contains(names, name)
	})
}
