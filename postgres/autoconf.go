package postgres

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// recoverySettings are those that say how a server recovers and whom it follows
// (PostgreSQL documentation, "Archive Recovery", "Recovery Target", "Standby Servers").
var recoverySettings = map[string]bool{
	"archive_cleanup_command":       true,
	"primary_conninfo":              true,
	"primary_slot_name":             true,
	"promote_trigger_file":          true,
	"recovery_end_command":          true,
	"recovery_min_apply_delay":      true,
	"recovery_target":               true,
	"recovery_target_action":        true,
	"recovery_target_inclusive":     true,
	"recovery_target_lsn":           true,
	"recovery_target_name":          true,
	"recovery_target_time":          true,
	"recovery_target_timeline":      true,
	"recovery_target_xid":           true,
	"restore_command":               true,
	"trigger_file":                  true,
	"wal_receiver_create_temp_slot": true,
}

// dropRecoverySettings removes from postgresql.auto.conf what would overrule the
// settings that we write: a clone or a rewind brings the source's file along,
// and a restore tool writes its own lines there.
func (s *Server) dropRecoverySettings() error {
	path := s.dataPath("postgresql.auto.conf")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(content)) {
		if !recoverySettings[settingName(line)] {
			kept.WriteString(line)
		}
	}
	_, err = updateFile(path, []byte(kept.String()), s.fileMode())
	return err
}

// settingName is the name that a line of a configuration file sets, or "".
func settingName(line string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(line), "=")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	return strings.ToLower(name)
}
