package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Recover runs crash recovery as a standby that nobody can reach and stops it in
// order, so that the control file tells where its WAL ends. It leaves
// standby.signal behind. A single-user server would not do: it refuses
// standby.signal, and its checkpoint makes a server diverge that had not.
func (s *Server) Recover(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return fmt.Errorf("postgres: crash recovery: %w", err)
	}
	return nil
}

func (s *Server) recover(ctx context.Context) error {
	control, err := s.readControl(ctx)
	if err != nil {
		return err
	}
	c, err := s.prepare(ctx, Upstream{}, control)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "regent-") // mode 0700: nobody else gets in
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	extra := map[string]string{}
	if control.State == "in production" || control.State == "shutting down" || control.State == "in crash recovery" {
		// A history file that lies around must not lead a primary's own WAL astray.
		extra["recovery_target_timeline"] = "current"
	}
	c.arguments = isolate(c.arguments, dir, extra)
	if err := s.startReadOnly(ctx, c); err != nil {
		return err
	}
	recovered := s.awaitRecovered(ctx)
	stop := Stop{Mode: StopFast}
	stopCtx := ctx
	if recovered != nil {
		// Nothing may be left running, also when we were told to give up.
		var cancel context.CancelFunc
		stopCtx, cancel = context.WithTimeout(context.WithoutCancel(ctx), recoverGiveUp)
		defer cancel()
		stop = Stop{Mode: StopImmediate, Escalate: time.Second}
	}
	if err := errors.Join(recovered, s.Stop(stopCtx, stop)); err != nil {
		return err
	}
	if control, err = s.readControl(ctx); err != nil {
		return err
	}
	if control.State != "shut down in recovery" {
		return fmt.Errorf("it ended as %q, not as \"shut down in recovery\"", control.State)
	}
	return nil
}

// recoverGiveUp bounds the end of a recovery that was cancelled.
const recoverGiveUp = 10 * time.Second

// awaitRecovered returns when the server has replayed all WAL that it has: it is
// consistent, and its startup process waits for more.
func (s *Server) awaitRecovered(ctx context.Context) error {
	for {
		pm, err := s.running()
		if err != nil {
			return err
		}
		if pm == nil {
			return fmt.Errorf("the server died: %s", orUnknown(s.lastWords()))
		}
		lock, err := s.readPidFile()
		if err != nil {
			return err
		}
		if lock.pid == pm.pid && lock.status == "ready" {
			waits, err := s.startupWaits(ctx, pm)
			if waits || err != nil && ctx.Err() == nil {
				return nil // where we can't ask, consistent must do
			}
		}
		if err := sleep(ctx, awaitPause); err != nil {
			return err
		}
	}
}

func (s *Server) startupWaits(ctx context.Context, pm *postmaster) (waits bool, err error) {
	err = s.queryOn(ctx, &s.errands, pm, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(bool_or(wait_event IN
			('RecoveryRetrieveRetryInterval', 'RecoveryWalStream', 'RecoveryWalAll', 'RecoveryPause')), false)
			FROM pg_stat_activity WHERE backend_type = 'startup'`).Scan(&waits)
	})
	return waits, err
}

func orUnknown(text string) string {
	if text == "" {
		return "its log doesn't say why"
	}
	return text
}

// isolate are the parameters of a server that nobody reaches and that fetches
// WAL from nowhere.
func isolate(args []string, socketDir string, extra map[string]string) []string {
	alone := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": socketDir,
		"primary_conninfo":        "",
		"primary_slot_name":       "",
		"restore_command":         "",
		"archive_cleanup_command": "",
		"recovery_end_command":    "",
		"hot_standby":             "on",
	}
	maps.Copy(alone, extra)
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool {
		name, _, _ := strings.Cut(a, "=")
		_, ours := alone[name]
		return ours
	})
	for _, name := range slices.Sorted(maps.Keys(alone)) {
		args = append(args, name+"="+alone[name])
	}
	return args
}
