package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Bootstrap makes a new data directory by initdb or by the configured method.
// The directory is marked as incomplete from before the first byte until the
// last. It must be empty or absent, or incomplete and then emptied by the caller
// (see SetAside).
func (s *Server) Bootstrap(ctx context.Context) error {
	if err := s.bootstrap(ctx); err != nil {
		return fmt.Errorf("postgres: bootstrap: %w", err)
	}
	return nil
}

func (s *Server) bootstrap(ctx context.Context) error {
	state, err := s.dataState()
	if err != nil {
		return err
	}
	if state != DataEmpty {
		return fmt.Errorf("the data directory %s is %s: it must be empty", s.opts.DataDir, state)
	}
	settings := s.Settings()
	a, err := s.begin(workBootstrap)
	if err != nil {
		return err
	}
	if m := settings.BootstrapMethod; m != nil {
		err = s.restoreCluster(ctx, *m)
	} else {
		err = s.initdb(ctx, settings)
	}
	a.end()
	if err != nil {
		return err
	}
	if settings.HBA == nil && len(settings.BootstrapHBA) > 0 {
		if err := s.appendHBA(settings.BootstrapHBA); err != nil {
			return err
		}
	}
	return s.markComplete()
}

func (s *Server) initdb(ctx context.Context, settings Settings) error {
	path, err := exec.LookPath(s.program("initdb"))
	if err != nil {
		return fmt.Errorf("%w: Options.BinDir must be the folder with PostgreSQL's programs", err)
	}
	args := append([]string{"-D", s.opts.DataDir}, settings.InitdbArgs...)
	super := settings.Superuser
	if super.Username != "" {
		args = append(args, "--username="+super.Username)
	}
	if super.Password != "" {
		if strings.ContainsAny(super.Password, "\r\n") {
			return errors.New("Settings.Superuser.Password has a line break, which initdb can't take")
		}
		file := s.opts.PassFile + ".initdb"
		if err := writeFile(file, []byte(super.Password+"\n"), 0o600); err != nil {
			return fmt.Errorf("write the superuser's password for initdb: %w", err)
		}
		defer func() { _ = removeFile(file) }()
		args = append(args, "--pwfile="+file)
	}
	return job{path: path, args: args, env: toolEnv(), dir: "/", secret: super.Password}.run(ctx)
}

// restoreCluster runs the configured method and leaves its recovery settings for
// the first start.
func (s *Server) restoreCluster(ctx context.Context, m Method) error {
	args := append([]string{}, m.Args...)
	if !m.NoParams {
		args = append([]string{"--scope=" + s.opts.Scope, "--datadir=" + s.opts.DataDir}, args...)
	}
	j, err := command(m.Command, args...)
	if err != nil {
		return fmt.Errorf("bootstrap method %s: %w", m.Name, err)
	}
	if err := j.run(ctx); err != nil {
		return fmt.Errorf("bootstrap method %s: %w", m.Name, err)
	}
	if _, err := s.majorVersion(); err != nil {
		return fmt.Errorf("bootstrap method %s made no data directory: %w", m.Name, err)
	}
	if m.KeepExistingRecoveryConf && len(m.RecoveryConf) == 0 {
		return nil
	}
	return s.restoreSettings(ctx, m.RecoveryConf)
}

// restoreSettings replaces the recovery settings that a method left by those
// configured for it. With some the first start recovers up to their target and
// ends as a primary (recovery.signal), without it starts as it is.
func (s *Server) restoreSettings(ctx context.Context, configured map[string]string) error {
	for _, name := range []string{"standby.signal", "recovery.signal"} {
		if err := removeFile(s.dataPath(name)); err != nil {
			return err
		}
	}
	if len(configured) == 0 {
		return nil
	}
	if _, err := s.rewriteConfig(ctx, s.Settings(), restoreConf(configured)); err != nil {
		return err
	}
	return s.writeSignal("recovery.signal")
}

func (s *Server) appendHBA(add []string) error {
	path := filepath.Join(s.configDir(), "pg_hba.conf")
	old, err := os.ReadFile(path)
	if ignoreNotExist(err) != nil {
		return err
	}
	text := strings.TrimRight(string(old), "\n") + "\n\n" + strings.Join(add, "\n") + "\n"
	return writeFile(path, []byte(text), s.confMode())
}
