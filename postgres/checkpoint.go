package postgres

import (
	"context"
	"errors"
	"fmt"
)

// Checkpoint does one, on a connection of its own.
func (s *Server) Checkpoint(ctx context.Context) error {
	if err := s.execute(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("postgres: checkpoint: %w", err)
	}
	return nil
}

// execute runs statements without a time limit of the server's, on a connection
// of their own.
func (s *Server) execute(ctx context.Context, statements ...string) error {
	conn, err := s.connect(ctx, map[string]string{
		"application_name":   "regent",
		"statement_timeout":  "0",
		"synchronous_commit": "local",
		"log_statement":      "none", "log_min_duration_statement": "-1", "log_min_error_statement": "panic",
	})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var errs error
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return errors.Join(errs, err)
		}
	}
	return nil
}
