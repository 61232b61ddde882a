package postgres

import (
	"context"
	"fmt"
	"maps"
)

// Checkpoint does one, on a connection of its own.
func (s *Server) Checkpoint(ctx context.Context) error {
	if err := s.execute(ctx, nil, "CHECKPOINT"); err != nil {
		return fmt.Errorf("postgres: checkpoint: %w", err)
	}
	return nil
}

// unlogged keeps statements with passwords out of the server's log, also failed
// ones.
var unlogged = map[string]string{
	"log_statement": "none", "log_min_duration_statement": "-1", "log_min_error_statement": "panic",
	"pg_stat_statements.track": "none",
}

// execute runs statements on a connection of their own, without a time limit of
// the server's and without waiting for a standby.
func (s *Server) execute(ctx context.Context, parameters map[string]string, statements ...string) error {
	all := map[string]string{"application_name": "regent", "statement_timeout": "0", "synchronous_commit": "local"}
	maps.Copy(all, parameters)
	conn, err := s.connect(ctx, all)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
