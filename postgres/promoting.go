package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5"
)

// Promoting says whether a promotion of the standby that runs was asked for, by
// whomever, and isn't over. An error says that it can't be told.
//
// A request is the file "promote" until the startup process notices it, which it does
// when it is out of WAL to replay. From then on only the server itself knows, and says
// so when somebody pauses replay or lets it go on, from version 13 on ("Recovery Control
// Functions"): so replay that is paused is paused again, and replay that isn't is let go
// on, which changes nothing. Before version 13 a WAL receiver that streams, with all
// that it got replayed, stands for it: a promotion ends that first.
func (s *Server) Promoting(ctx context.Context) (bool, error) {
	asked, err := s.promotionAsked()
	if err == nil && !asked {
		asked, err = s.promotionNoticed(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("postgres: look for a promotion: %w", err)
	}
	return asked, nil
}

func (s *Server) promotionAsked() (bool, error) {
	_, err := os.Lstat(s.dataPath("promote"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

const (
	noticedSQL = `SELECT CASE WHEN pg_is_wal_replay_paused() THEN pg_wal_replay_pause() ELSE pg_wal_replay_resume() END`
	// Up to version 12.
	idleSQL = `SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
	 OR pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()`
)

func (s *Server) promotionNoticed(ctx context.Context) (noticed bool, err error) {
	pm, err := s.running()
	if err != nil {
		return false, err
	}
	if pm == nil {
		return false, errors.New("the server doesn't run")
	}
	err = s.query(ctx, pm, func(conn *pgx.Conn) error {
		version, err := serverVersion(conn.PgConn().ParameterStatus("server_version"))
		if err != nil {
			return err
		}
		if version < 130000 {
			return conn.QueryRow(ctx, idleSQL).Scan(&noticed)
		}
		_, err = conn.Exec(ctx, noticedSQL)
		if noticed = isSQLState(err, notInPrerequisiteState); noticed {
			return nil
		}
		return err
	})
	return noticed, err
}
