package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rewindFunctions are what a role that is no superuser needs to be a source of
// pg_rewind (PostgreSQL documentation, "pg_rewind", Notes).
var rewindFunctions = []string{
	"pg_catalog.pg_ls_dir(text, boolean, boolean)",
	"pg_catalog.pg_stat_file(text, boolean)",
	"pg_catalog.pg_read_binary_file(text)",
	"pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
}

// PostBootstrap makes the roles of the settings and runs the user's
// post_bootstrap command, in a new cluster that runs as primary. It may be
// called again.
func (s *Server) PostBootstrap(ctx context.Context) error {
	if err := s.postBootstrap(ctx); err != nil {
		return fmt.Errorf("postgres: after bootstrap: %w", err)
	}
	return nil
}

func (s *Server) postBootstrap(ctx context.Context) error {
	settings := s.Settings()
	super, replication, rewind := settings.Superuser, settings.Replication, settings.Rewind
	if super.Username != "" && super.Password != "" {
		if err := s.makeRole(ctx, super, "SUPERUSER"); err != nil {
			return err
		}
	}
	if settings.PostBootstrap != "" {
		if err := s.runPostBootstrap(ctx, settings); err != nil {
			return err
		}
	}
	if replication.Username != "" && replication.Username != super.Username {
		if err := s.makeRole(ctx, replication, "REPLICATION"); err != nil {
			return err
		}
	}
	if rewind.Username == "" || rewind.Username == super.Username {
		return nil
	}
	attribute := ""
	if rewind.Username == replication.Username {
		attribute = "REPLICATION"
	}
	if err := s.makeRole(ctx, rewind, attribute); err != nil {
		return err
	}
	var grants []string
	for _, f := range rewindFunctions {
		grants = append(grants, "GRANT EXECUTE ON FUNCTION "+f+" TO "+pgx.Identifier{rewind.Username}.Sanitize())
	}
	return s.execute(ctx, nil, grants...)
}

// makeRole creates a role that may log in, or gives an existing one its password.
func (s *Server) makeRole(ctx context.Context, cred Credentials, attribute string) error {
	name := pgx.Identifier{cred.Username}.Sanitize()
	options := " LOGIN " + attribute
	if cred.Password != "" {
		options += " PASSWORD " + sqlLiteral(cred.Password)
	}
	exists := fmt.Sprintf("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", sqlLiteral(cred.Username))
	body := fmt.Sprintf("BEGIN IF EXISTS (%s) THEN ALTER ROLE %s%s; ELSE CREATE ROLE %s%s; END IF; END", exists, name, options, name, options)
	if err := s.execute(ctx, unlogged, "DO "+sqlLiteral(body)); err != nil {
		return fmt.Errorf("role %q: %w", cred.Username, err)
	}
	return nil
}

// sqlLiteral is a string constant, whatever standard_conforming_strings says.
func sqlLiteral(text string) string {
	return " E'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(text) + "'"
}

func (s *Server) runPostBootstrap(ctx context.Context, settings Settings) error {
	host, port, err := s.address(settings)
	if err != nil {
		return err
	}
	login, err := s.login(forBootstrap, settings.Superuser, host, port, settings.database())
	if err != nil {
		return err
	}
	defer func() { _ = login.close() }()
	j, err := command(settings.PostBootstrap, login.conninfo)
	if err != nil {
		return fmt.Errorf("post_bootstrap: %w", err)
	}
	j.env = append(j.env, login.env...)
	j.env = append(j.env, "PGOPTIONS=-c synchronous_commit=local -c statement_timeout=0")
	j.secret = login.secret
	if err := j.run(ctx); err != nil {
		return fmt.Errorf("post_bootstrap: %w", err)
	}
	return nil
}
