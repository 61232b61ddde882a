package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Follow makes a running standby follow up, by a reload where that is enough
// (PostgreSQL 13 and later for another upstream). It returns whether it had to
// restart it. A standby that does so already is left alone.
func (s *Server) Follow(ctx context.Context, up Upstream) (restarted bool, err error) {
	restarted, err = s.follow(ctx, up)
	if err != nil {
		return restarted, fmt.Errorf("postgres: follow %s: %w", up, err)
	}
	return restarted, nil
}

// String names the upstream in messages.
func (u Upstream) String() string {
	switch {
	case u.IsZero():
		return "nobody"
	case u.Name == "":
		return fmt.Sprintf("%s port %d", u.Host, u.Port)
	}
	return fmt.Sprintf("%s (%s port %d)", u.Name, u.Host, u.Port)
}

func (s *Server) follow(ctx context.Context, up Upstream) (restarted bool, err error) {
	pm, err := s.running()
	if err != nil {
		return false, err
	}
	if pm == nil {
		return false, errors.New("the server doesn't run")
	}
	recovery, err := s.inRecovery(ctx, pm)
	if err == nil && !recovery {
		return false, errors.New("the server is a primary")
	}
	if _, err := os.Stat(s.dataPath("standby.signal")); err != nil {
		if ignoreNotExist(err) != nil {
			return false, err
		}
		s.log.Warn("standby.signal is missing: the standby is restarted with it")
		return true, s.restartStandby(ctx, up)
	}
	settings := s.Settings()
	major, err := s.majorVersion()
	if err != nil {
		return false, err
	}
	wanted, err := s.standbyConf(settings, up, major)
	if err != nil {
		return false, err
	}
	changed, err := s.rewriteConfig(ctx, settings, wanted)
	if err != nil {
		return false, err
	}
	s.follows(up)
	differ, restart, err := s.recoveryDiffers(ctx, pm, wanted)
	switch {
	case err != nil && ctx.Err() != nil:
		return false, err
	case err != nil: // it lets nobody in yet
		differ = nil
	case restart:
		s.log.Info("recovery settings need a restart", "settings", differ)
		return true, s.restartStandby(ctx, up)
	}
	if !changed && len(differ) == 0 {
		return false, nil
	}
	s.log.Info("follow", "upstream", up.String(), "settings", differ)
	return false, s.sighup(ctx, pm)
}

func (s *Server) restartStandby(ctx context.Context, up Upstream) error {
	if err := s.Stop(ctx, Stop{Mode: StopFast}); err != nil {
		return err
	}
	return s.StartStandby(ctx, up)
}

// recoveryDiffers compares the recovery settings that the server runs with. It
// returns the names of those that differ and whether one of them takes a restart.
func (s *Server) recoveryDiffers(ctx context.Context, pm *postmaster, wanted map[string]string) (differ []string, restart bool, err error) {
	err = s.queryOn(ctx, &s.errands, pm, func(conn *pgx.Conn) error {
		names := slices.Sorted(maps.Keys(wanted))
		rows, err := conn.Query(ctx, "SELECT name, current_setting(name), context, source FROM pg_settings WHERE name = ANY($1)", names)
		if err != nil {
			return err
		}
		var name, value, level, source string
		_, err = pgx.ForEachRow(rows, []any{&name, &value, &level, &source}, func() error {
			if value != wanted[name] {
				differ = append(differ, name)
				// No file overrides a command line: that of a Recover whose caller was killed.
				restart = restart || level == "postmaster" || source == "command line"
			}
			return nil
		})
		return err
	})
	return differ, restart, err
}
