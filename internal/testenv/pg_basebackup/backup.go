package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// dial opens a connection for replication.
func dial(ctx context.Context, conninfo string) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(conninfo)
	if err != nil {
		return nil, err
	}
	// What libpq knows and pgconn doesn't it takes for settings of the server.
	config.RuntimeParams = map[string]string{"application_name": "pg_basebackup", "replication": "true"}
	return pgconn.ConnectConfig(ctx, config)
}

// backUp writes a base backup to c, in the messages that servers send from 15 on
// (PostgreSQL documentation, "Streaming Replication Protocol", BASE_BACKUP).
func backUp(ctx context.Context, conn *pgconn.PgConn, checkpoint string, c *copied) error {
	defer c.close()
	conn.Frontend().Send(&pgproto3.Query{
		String: fmt.Sprintf("BASE_BACKUP (LABEL 'pg_basebackup', PROGRESS true, CHECKPOINT '%s', WAL true, TARGET 'client')", checkpoint),
	})
	if err := conn.Frontend().Flush(); err != nil {
		return err
	}
	var failed error
	for {
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return errors.Join(failed, err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if failed == nil {
				failed = c.take(m.Data)
			}
		case *pgproto3.CopyDone:
			if failed == nil {
				failed = c.endArchive()
			}
		case *pgproto3.ErrorResponse:
			failed = errors.Join(failed, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.ReadyForQuery:
			if failed == nil && !c.complete {
				failed = errors.New("the server sent no backup")
			}
			return failed
		}
	}
}

// take handles one message of the backup's stream, whose first byte is its kind.
func (c *copied) take(message []byte) error {
	if len(message) == 0 {
		return errors.New("an empty message in the backup")
	}
	switch kind, rest := message[0], message[1:]; kind {
	case 'n': // the next archive: its name, and where its tablespace lies at the source
		if err := c.endArchive(); err != nil {
			return err
		}
		parts := bytes.Split(rest, []byte{0})
		if len(parts) < 2 {
			return fmt.Errorf("the name of an archive isn't understood: %q", rest)
		}
		c.beginArchive(string(parts[1]))
	case 'd':
		_, err := c.archive.Write(rest)
		return err
	case 'p':
		if len(rest) == 8 {
			done := binary.BigEndian.Uint64(rest) >> 10
			fmt.Printf("%d/%d kB (100%%), 1/1 tablespace\r", done, done) // as far as is known
		}
	}
	return nil
}
