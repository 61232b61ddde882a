package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// replication is a connection that speaks the streaming replication protocol
// (PostgreSQL documentation, "Streaming Replication Protocol").
type replication struct{ conn *pgconn.PgConn }

// identity is the answer to IDENTIFY_SYSTEM. On a primary flushed is where its
// WAL ends; on a standby it is what was replayed, or received on the same
// timeline, which is timeline.
type identity struct {
	systemID string
	timeline Timeline
	flushed  LSN
}

func dialReplication(ctx context.Context, s Settings, cred Credentials, host string, port int) (replication, error) {
	config, err := s.connConfig(cred, host, port, map[string]string{"replication": "true"})
	if err != nil {
		return replication{}, err
	}
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if isSQLState(err, invalidPassword, invalidAuthorization) {
		err = cred.blame(err)
	}
	return replication{conn}, err
}

// blame names the setting that a server didn't accept.
func (c Credentials) blame(err error) error {
	if c.Setting == "" {
		return err
	}
	return fmt.Errorf("%s is not accepted: %w", c.Setting, err)
}

func (r replication) close(ctx context.Context) { _ = r.conn.Close(ctx) }

func (r replication) identify(ctx context.Context) (identity, error) {
	row, err := r.row(ctx, "IDENTIFY_SYSTEM", 3)
	if err != nil {
		return identity{}, err
	}
	tl, errTL := strconv.ParseUint(string(row[1]), 10, 32)
	lsn, errLSN := ParseLSN(string(row[2]))
	if err := errors.Join(errTL, errLSN); err != nil {
		return identity{}, fmt.Errorf("IDENTIFY_SYSTEM: %w", err)
	}
	return identity{systemID: string(row[0]), timeline: Timeline(tl), flushed: lsn}, nil
}

// history is the server's own history file of tl.
func (r replication) history(ctx context.Context, tl Timeline) ([]HistoryLine, error) {
	if tl <= 1 {
		return nil, nil
	}
	row, err := r.row(ctx, fmt.Sprintf("TIMELINE_HISTORY %d", tl), 2)
	if err != nil {
		return nil, err
	}
	lines, err := parseHistory(string(row[1]), tl)
	if err != nil {
		return nil, fmt.Errorf("TIMELINE_HISTORY %d: %w", tl, err)
	}
	return lines, nil
}

func (r replication) row(ctx context.Context, command string, columns int) ([][]byte, error) {
	results, err := r.conn.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if len(results) == 0 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < columns {
		return nil, fmt.Errorf("%s: the answer has another form", command)
	}
	return results[0].Rows[0], nil
}

// createSlot makes a physical slot that keeps WAL from now on; one of that name
// may be there already.
func (r replication) createSlot(ctx context.Context, name string) error {
	_, err := r.conn.Exec(ctx, fmt.Sprintf(`CREATE_REPLICATION_SLOT "%s" PHYSICAL RESERVE_WAL`, name)).ReadAll()
	if isSQLState(err, duplicateObject) {
		return nil
	}
	return err
}

// wal reads the server's WAL of tl from one position up to another, which it
// must have. The connection is of no further use.
func (r replication) wal(ctx context.Context, tl Timeline, from, to LSN) ([]byte, error) {
	command := fmt.Sprintf("START_REPLICATION PHYSICAL %s TIMELINE %d", from, tl)
	frontend := r.conn.Frontend()
	frontend.SendQuery(&pgproto3.Query{String: command})
	if err := frontend.Flush(); err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	out := make([]byte, 0, to-from)
	for len(out) < int(to-from) {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		switch m := message.(type) {
		case *pgproto3.ErrorResponse:
			return nil, fmt.Errorf("%s: %w", command, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.CopyData:
			if part := walData(m.Data); part != nil {
				out = append(out, part...)
			}
		case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
			return nil, fmt.Errorf("%s: it ended %d bytes before %s", command, int(to-from)-len(out), to)
		}
	}
	return out[:to-from], nil
}

// walData is the WAL in an XLogData message: 'w', then its start, the server's
// end and its clock, of eight bytes each.
func walData(message []byte) []byte {
	const header = 1 + 3*8
	if len(message) < header || message[0] != 'w' {
		return nil
	}
	return message[header:]
}

// SQLSTATEs that say something definite (PostgreSQL documentation, "Error Codes").
const (
	duplicateObject        = "42710"
	undefinedObject        = "42704"
	objectInUse            = "55006"
	notInPrerequisiteState = "55000"
	invalidPassword        = "28P01"
	invalidAuthorization   = "28000"
	undefinedFile          = "58P01"
)

func isSQLState(err error, states ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, state := range states {
		if pg.Code == state {
			return true
		}
	}
	return false
}
