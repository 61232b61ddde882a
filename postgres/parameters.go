package postgres

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// recoveryParameters are those of recovery (PostgreSQL documentation, "Archive
// Recovery", "Recovery Target", "Standby Servers"). They stand in a block of
// their own.
var recoveryParameters = []string{
	"archive_cleanup_command", "primary_conninfo", "primary_slot_name", "recovery_end_command",
	"recovery_min_apply_delay", "recovery_target", "recovery_target_action", "recovery_target_inclusive",
	"recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_timeline",
	"recovery_target_xid", "restore_command",
}

// unsettable are parameters that Settings.Parameters can't set.
var unsettable = []string{"listen_addresses", "port", "cluster_name", "data_directory", "config_file",
	"promote_trigger_file", "trigger_file", "standby_mode", "wal_keep_segments"}

// parameterName is the syntax of names, also of those of extensions.
var parameterName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$`)

// composed are the parameters of one start.
type composed struct {
	args   []string          // of the command line, without "--"
	file   map[string]string // of postgresql.conf
	raised map[string]Change // those that a standby needs higher than they are configured
}

// compose makes of the settings what PostgreSQL gets. control is of a standby,
// nil else.
func (s *Server) compose(ctx context.Context, settings Settings, control *Control) (composed, error) {
	hosts, port, err := splitListen(settings.Listen)
	if err != nil {
		return composed{}, fmt.Errorf("Settings.Listen %w", err)
	}
	c := composed{file: s.checked(ctx, settings.Parameters), raised: map[string]Change{}}
	set := func(name, value string) {
		c.file[name] = value
		c.args = append(c.args, name+"="+value)
	}
	set("listen_addresses", hosts)
	set("port", strconv.Itoa(port))
	set("cluster_name", s.opts.Scope)
	for _, m := range managedParameters {
		configured := c.file[m.name]
		value, wrong := m.value(configured)
		if wrong != "" {
			s.warnOnce("parameter "+m.name+" is not usable", "value", configured, "why", wrong, "used", value)
		}
		c.file[m.name] = value
		if m.control != nil && control != nil {
			if n, err := strconv.Atoi(value); err == nil && m.control(control) > n {
				needed := strconv.Itoa(m.control(control))
				c.raised[m.name] = Change{Old: needed, New: value}
				value = needed
			}
		}
		c.args = append(c.args, m.name+"="+value)
	}
	known, _ := s.describe(ctx) // nil: taken for a present one
	name, value := keepWAL(known, c.file["wal_keep_size"], settings.Parameters)
	c.file[name] = value
	return c, nil
}

// checked are the parameters that the server will take: names in lower case,
// those of recovery and those that are ours left out, values that it would
// refuse to start with left out or moved into its range.
func (s *Server) checked(ctx context.Context, parameters map[string]string) map[string]string {
	known, err := s.describe(ctx)
	if err != nil {
		s.warnOnce("parameters can't be checked before the start", "error", oneLine(err))
	}
	good := make(map[string]string, len(parameters))
	for _, given := range slices.Sorted(maps.Keys(parameters)) {
		name, value := strings.ToLower(given), parameters[given]
		if slices.Contains(unsettable, name) || slices.Contains(recoveryParameters, name) {
			continue
		}
		value, wrong := known.check(name, value)
		switch {
		case !parameterName.MatchString(name):
			value, wrong = "", "this is no parameter's name"
		case strings.ContainsAny(value, "\n\r\x00"):
			value, wrong = "", "a line break can't stand in a configuration file"
		}
		if wrong == errUnknownParameter && s.accepts(ctx, name) {
			value, wrong = parameters[given], ""
		}
		switch {
		case wrong == "":
			good[name] = value
		case value != "":
			good[name] = value
			s.warnOnce("parameter "+name+" is out of range", "value", parameters[given], "why", wrong, "used", value)
		default:
			s.warnOnce("parameter "+name+" is left out", "value", parameters[given], "why", wrong)
		}
	}
	return good
}

// warnOnce warns, but not again of the very same.
func (s *Server) warnOnce(message string, args ...any) {
	key := fmt.Sprint(append([]any{message}, args...)...)
	s.mu.Lock()
	seen := s.warned[key]
	if s.warned == nil {
		s.warned = make(map[string]bool)
	}
	s.warned[key] = true
	s.mu.Unlock()
	if !seen {
		s.log.Warn(message, args...)
	}
}
