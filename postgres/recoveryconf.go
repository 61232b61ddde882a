package postgres

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// standbyConf is the block of recovery settings of a server that follows up, or
// of one that follows nobody.
func (s *Server) standbyConf(settings Settings, up Upstream, major int) (map[string]string, error) {
	conf := make(map[string]string)
	for _, from := range []map[string]string{settings.Parameters, settings.RecoveryConf} {
		for given, value := range from {
			name := strings.ToLower(given)
			if slices.Contains(recoveryParameters, name) && !strings.HasPrefix(name, "recovery_target") {
				conf[name] = value
			}
		}
	}
	conf["primary_conninfo"], conf["primary_slot_name"] = "", ""
	for _, target := range []string{"", "_lsn", "_name", "_time", "_xid"} {
		conf["recovery_target"+target] = ""
	}
	conf["recovery_target_timeline"] = "latest"
	if up.IsZero() {
		return conf, nil
	}
	if settings.Replication.Password != "" {
		if err := writePassFile(s.opts.PassFile, settings.Replication, up.Host, up.Port); err != nil {
			return nil, err
		}
	}
	conf["primary_conninfo"] = settings.primaryConninfo(s.opts.Name, up, s.opts.PassFile, major)
	if settings.UseSlots && up.Slot != "" {
		conf["primary_slot_name"] = up.Slot
	}
	return conf, nil
}

// keptConf is standbyConf for a server whose configuration file names an
// upstream that we don't know as such. One that is on its way to a recovery
// target, as a restored backup is, keeps all recovery settings of that file.
func (s *Server) keptConf(settings Settings, major int) (map[string]string, error) {
	restoring, err := s.restoring()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	up := s.upstream
	s.mu.Unlock()
	if up != nil && !restoring {
		return s.standbyConf(settings, *up, major)
	}
	conf, err := s.standbyConf(settings, Upstream{}, major)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.mainConf())
	if ignoreNotExist(err) != nil {
		return nil, err
	}
	old := confValues(string(text))
	kept := []string{"primary_conninfo", "primary_slot_name"}
	if restoring && s.isGenerated(text) {
		kept, conf = recoveryParameters, make(map[string]string)
	}
	for _, name := range kept {
		if value, ok := old[name]; ok {
			conf[name] = value
		}
	}
	return conf, nil
}

// restoring says whether the server is, or will be at its next start, on its way
// to a recovery target, after which it is a primary by itself.
func (s *Server) restoring() (bool, error) {
	_, err := os.Stat(s.dataPath("recovery.signal"))
	return err == nil, ignoreNotExist(err)
}

func (s *Server) follows(up Upstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream = &up
}

// restoreConf is the block of recovery settings that a bootstrap method wants.
func restoreConf(given map[string]string) map[string]string {
	conf := make(map[string]string)
	for name, value := range given {
		if name = strings.ToLower(name); slices.Contains(recoveryParameters, name) {
			conf[name] = value
		}
	}
	return conf
}

// majorVersion is that of the data directory: 12 and up.
func (s *Server) majorVersion() (int, error) {
	text, err := os.ReadFile(s.dataPath("PG_VERSION"))
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s has %q: it must name a major version of PostgreSQL from 12 on", s.dataPath("PG_VERSION"), strings.TrimSpace(string(text)))
	}
	return major, nil
}
