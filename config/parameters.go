package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/internal/value"
	"github.com/regent-ha/regent/postgres"
)

// readParameters merges PostgreSQL's parameters of both configurations and sorts
// them: the managed ones, those of recovery, and the rest.
func readParameters(s *section, local, dynamic any, to *postgres.Settings) {
	path := s.key("parameters")
	s.take("parameters")
	own := byLowerName(newSection(path, local, s.report))
	shared := byLowerName(newSection(path, dynamic, s.report))
	all := maps.Clone(shared)
	for name, v := range own {
		if isManaged(name) {
			s.warn(path+"."+name, "ignored here: it must be equal on all members and counts in the cluster's configuration alone")
			continue
		}
		all[name] = v
	}
	to.RecoveryConf = recoveryConf(s)
	to.Parameters = managedParameters(path, shared, s.report)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if isManaged(name) {
			continue
		}
		text, err := value.Text(all[name])
		switch {
		case err != nil:
			s.refuse(path+"."+name, "%v", err)
		case ours(name):
			s.warn(path+"."+name, "ignored: the agent sets it")
		case slices.Contains(recoveryParameters, name):
			if _, given := to.RecoveryConf[name]; !given {
				to.RecoveryConf = with(to.RecoveryConf, name, text)
			}
		default:
			to.Parameters[name] = text
		}
	}
}

// byLowerName are the values by their names in lower case, without empty ones.
// Where two names differ in case only, the last in the order of letters counts.
func byLowerName(s *section) map[string]any {
	values := map[string]any{}
	for _, name := range s.names() {
		if v, given := s.take(name); given {
			values[strings.ToLower(name)] = v
		}
	}
	return values
}

func with(m map[string]string, name, text string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[name] = text
	return m
}

// recoveryConf reads what standbys recover with.
func recoveryConf(s *section) map[string]string {
	var conf map[string]string
	for name, text := range s.table("recovery_conf") {
		name = strings.ToLower(name)
		if ours(name) {
			s.warn(s.key("recovery_conf."+name), "ignored: the agent sets it")
			continue
		}
		conf = with(conf, name, text)
	}
	return conf
}

// ours says whether a parameter follows from whom a standby follows, from where
// the data is, or would promote a standby without us.
func ours(name string) bool {
	return strings.HasPrefix(name, "recovery_target") || slices.Contains([]string{
		"primary_conninfo", "primary_slot_name", "standby_mode", "data_directory", "config_file", "promote_trigger_file", "trigger_file",
	}, name)
}

// recoveryParameters are those that stood in recovery.conf before PostgreSQL 12
// and that a user may set (PostgreSQL documentation, "Archive Recovery").
var recoveryParameters = []string{
	"restore_command", "archive_cleanup_command", "recovery_end_command", "recovery_min_apply_delay",
}
