package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-ha/regent/config"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/rest"
)

const (
	storeTimeout = 10 * time.Second // of one look into the store
	askTimeout   = 10 * time.Second // of a question that is answered at once
)

// session is one cluster that a command deals with.
type session struct {
	*program
	name   string
	store  *dcs.Client
	client *rest.Client
	view   dcs.Cluster // as it was read last
}

// open finds a cluster and reads it. An empty name is the configured one.
func (p *program) open(ctx context.Context, name string) (*session, error) {
	if name == "" {
		var err error
		if name, err = p.scope(); err != nil {
			return nil, err
		}
	}
	if name == "" {
		return nil, errors.New("no cluster is named, neither as an argument nor as scope in the configuration")
	}
	s := &session{program: p, name: name}
	var err error
	if s.client, err = p.client(); err != nil {
		return nil, err
	}
	store, err := p.openStore(ctx, name)
	if err != nil {
		return nil, err
	}
	s.store = dcs.NewClient(store, dcs.ClientOptions{RequestTimeout: storeTimeout})
	if err := s.read(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() { _ = s.store.Close() }

// read looks into the store again.
func (s *session) read(ctx context.Context) error {
	view, err := s.store.Read(ctx)
	if err != nil {
		return fmt.Errorf("the store can't be read: %w", err)
	}
	s.view = view
	return nil
}

// settings are the cluster's, or the defaults where they can't be used.
func (s *session) settings() ha.Settings {
	settings, _, err := ha.ParseSettings(s.view.Config.Values, ha.ShortFloors())
	if err != nil {
		return ha.DefaultSettings()
	}
	return settings
}

// ask sends one request to a member.
func (s *session) ask(ctx context.Context, timeout time.Duration, method string, m dcs.Member, path string, body any) (rest.Reply, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return s.client.Send(ctx, method, m.APIURL, path, body)
}

// outcome is what a member made of a request, for people.
func outcome(r rest.Reply, err error) string {
	if err != nil {
		return fmt.Sprintf("no answer (%v)", err)
	}
	return fmt.Sprintf("status code=%d, (%s)", r.Status, r.Text())
}

// changed says whether a reply is one of success.
func changed(r rest.Reply, err error) bool {
	return err == nil && (r.Status == http.StatusOK || r.Status == http.StatusAccepted)
}

func (p *program) scope() (string, error) {
	if p.o.Scope != "" || p.o.Open != nil {
		return p.o.Scope, nil
	}
	c, err := p.load()
	if err != nil {
		return "", err
	}
	return c.Scope, nil
}

// load reads the configuration, once.
func (p *program) load() (*config.Config, error) {
	if p.config != nil {
		return p.config, nil
	}
	path, err := p.configFile()
	if err != nil {
		return nil, err
	}
	store := p.flags.store
	if store == "" {
		store = p.variable("DCS_URL")
	}
	c, _, err := config.LoadControl(path, p.o.Env, store)
	if err != nil {
		return nil, err
	}
	p.config = c
	return c, nil
}

// configFile is the file to read; empty: none. Only the default one may be
// missing.
func (p *program) configFile() (string, error) {
	path := p.flags.config
	if path == "" {
		path = p.variable("PATRONICTL_CONFIG_FILE")
	}
	if path != "" {
		return path, nil
	}
	home := p.variable("HOME")
	if home == "" {
		return "", nil
	}
	path = filepath.Join(home, ".config", "patroni", "patronictl.yaml")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, nil
}

func (p *program) variable(name string) string {
	value := ""
	for _, entry := range p.o.Env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

func (p *program) openStore(ctx context.Context, scope string) (dcs.DCS, error) {
	if p.o.Open != nil {
		return p.o.Open(ctx, scope)
	}
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	named := *c
	named.Scope = scope
	return config.OpenDCS(ctx, &named, "", nil, p.logger())
}

// logger writes to the error stream what the variables of patronictl ask for.
func (p *program) logger() *slog.Logger {
	level := slog.LevelWarn
	for _, name := range []string{"LOGLEVEL", "PATRONI_LOGLEVEL", "PATRONI_LOG_LEVEL"} {
		switch strings.ToUpper(p.variable(name)) {
		case "DEBUG":
			level = slog.LevelDebug
		case "INFO":
			level = slog.LevelInfo
		case "WARNING", "WARN":
			level = slog.LevelWarn
		case "ERROR", "CRITICAL":
			level = slog.LevelError
		}
	}
	return slog.New(slog.NewTextHandler(p.o.Err, &slog.HandlerOptions{Level: level}))
}

func (p *program) client() (*rest.Client, error) {
	if p.o.Client != nil {
		return p.o.Client, nil
	}
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	return rest.NewClient(p.clientOptions(c))
}

// clientOptions are how members are asked. Insecure checks no certificate at all: with
// an authority a Client would check who signed it.
func (p *program) clientOptions(c *config.Config) rest.ClientOptions {
	auth := c.Ctl.Auth
	if auth.Username == "" {
		auth = c.RESTAPI.Auth
	}
	ca, insecure := c.Ctl.CACert, p.flags.insecure || c.Ctl.Insecure
	switch {
	case insecure:
		ca = ""
	case ca == "":
		ca = c.RESTAPI.CAFile
	}
	return rest.ClientOptions{
		Auth:     rest.Auth{Username: auth.Username, Password: auth.Password.Reveal()},
		CAFile:   ca,
		CertFile: c.Ctl.CertFile, KeyFile: c.Ctl.KeyFile,
		Insecure: insecure,
		Dial:     askTimeout,
		Release:  p.o.Release,
	}
}
