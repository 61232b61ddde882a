package postgres

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// reloadSeen bounds the wait for a server that was told to read its
// configuration.
const reloadSeen = time.Second

// Reload writes the configuration files and makes a running server read them,
// so that the next Status tells what waits for a restart.
func (s *Server) Reload(ctx context.Context) error {
	if err := s.reload(ctx); err != nil {
		return fmt.Errorf("postgres: reload: %w", err)
	}
	return nil
}

func (s *Server) reload(ctx context.Context) error {
	settings := s.Settings()
	major, err := s.majorVersion()
	if err != nil {
		return err
	}
	recovery, err := s.keptConf(settings, major)
	if err != nil {
		return err
	}
	if _, err := s.rewriteConfig(ctx, settings, recovery); err != nil {
		return err
	}
	pm, err := s.running()
	if err != nil || pm == nil {
		return err
	}
	return s.sighup(ctx, pm)
}

// rewriteConfig writes the files of a server that may run.
func (s *Server) rewriteConfig(ctx context.Context, settings Settings, recovery map[string]string) (changed bool, err error) {
	c, err := s.compose(ctx, settings, nil)
	if err != nil {
		return false, err
	}
	changed, err = s.writeConfig(settings, c.file, recovery)
	if err == nil && changed {
		err = s.copyConfig()
	}
	if err != nil {
		return changed, fmt.Errorf("write the configuration: %w", err)
	}
	return changed, nil
}

// sighup makes the server read its files. It returns when the kept connection
// has read them, or after a moment where that can't be seen.
func (s *Server) sighup(ctx context.Context, pm *postmaster) error {
	bounded, cancel := context.WithTimeout(ctx, reloadSeen)
	defer cancel()
	before, errBefore := s.loadTime(bounded, pm)
	if err := pm.signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("signal the postmaster: %w", err)
	}
	for errBefore == nil {
		now, err := s.loadTime(bounded, pm)
		if err != nil || !now.Equal(before) {
			break
		}
		if sleep(bounded, awaitPause) != nil {
			break
		}
	}
	return nil
}

func (s *Server) loadTime(ctx context.Context, pm *postmaster) (at time.Time, err error) {
	err = s.queryOn(ctx, &s.errands, pm, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_conf_load_time()").Scan(&at)
	})
	return at, err
}

// Nudge makes a standby without a WAL receiver try again at once: the startup
// process sleeps for wal_retrieve_retry_interval after a failure, and SIGHUP
// wakes it.
func (s *Server) Nudge(ctx context.Context) error {
	if err := s.nudge(); err != nil {
		return fmt.Errorf("postgres: nudge: %w", err)
	}
	return nil
}

func (s *Server) nudge() error {
	pm, err := s.running()
	if err != nil {
		return err
	}
	if pm == nil {
		return errors.New("the server doesn't run")
	}
	startup, err := s.childTitled(": startup")
	if err != nil {
		return err
	}
	if startup == nil {
		return ignoreDone(pm.signal(syscall.SIGHUP))
	}
	defer startup.close()
	return ignoreDone(startup.signal(syscall.SIGHUP))
}
