package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

const pendingSQL = `
SELECT s.name, current_setting(s.name), coalesce(
  (SELECT f.setting FROM pg_file_settings f WHERE f.name = s.name ORDER BY f.seqno DESC LIMIT 1), s.boot_val, '')
FROM pg_settings s WHERE s.pending_restart`

// pending are the settings that wait for a restart of pm. The server is asked
// again only when it has read its configuration since.
func (s *Server) pending(ctx context.Context, conn *pgx.Conn, pm *postmaster, a answer) (map[string]Change, error) {
	s.pmMu.Lock()
	known, loaded := maps.Clone(pm.pending), pm.loaded
	s.pmMu.Unlock()
	if loaded.Equal(a.loaded) {
		return known, nil
	}
	rows, err := conn.Query(ctx, pendingSQL)
	if err != nil {
		return nil, err
	}
	fresh := make(map[string]Change)
	var name string
	var c Change
	_, err = pgx.ForEachRow(rows, []any{&name, &c.Old, &c.New}, func() error {
		if name != "hot_standby" && !slices.Contains(recoveryParameters, name) {
			fresh[name] = c
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.pmMu.Lock()
	defer s.pmMu.Unlock()
	maps.Copy(fresh, pm.raised)
	pm.pending, pm.loaded = fresh, a.loaded
	return maps.Clone(fresh), nil
}
