package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/config"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/rest"
)

// newPeers is how this agent asks the others.
func newPeers(c *config.Config) (*rest.Client, error) {
	auth := c.Ctl.Auth
	if auth.Username == "" {
		auth = c.RESTAPI.Auth
	}
	return rest.NewClient(rest.ClientOptions{
		Auth:     rest.Auth{Username: auth.Username, Password: auth.Password.Reveal()},
		CertFile: c.Ctl.CertFile, KeyFile: c.Ctl.KeyFile, CAFile: c.Ctl.CACert,
		// Without ctl.cacert members don't verify one another, as in Patroni; with it
		// only the host name isn't compared: the certificate is often of another one.
		Insecure: true,
		Release:  version,
	})
}

func newAPI(c *config.Config, agent *ha.Agent, peers ha.Peers, log *slog.Logger) (*rest.Server, error) {
	r := c.RESTAPI
	switch {
	case r.KeyFilePassword.Reveal() != "":
		return nil, errors.New("restapi.keyfile_password isn't supported yet: give restapi.keyfile a key without a password that only PostgreSQL's user can read")
	case r.Ciphers != "":
		log.Warn("restapi.ciphers isn't supported yet: Go's own choice of ciphers is used")
	}
	server, err := rest.New(rest.Options{
		Agent: agent, Peers: peers, Name: c.Name, Scope: c.Scope, Release: version,
		Listen: r.Listen,
		TLS: rest.TLS{
			CertFile: r.CertFile, KeyFile: r.KeyFile, CAFile: r.CAFile, VerifyClient: r.VerifyClient, PeersCAFile: c.Ctl.CACert,
		},
		Auth: rest.Auth{Username: r.Auth.Username, Password: r.Auth.Password.Reveal()},

		Allowlist: r.Allowlist, AllowMembers: r.AllowlistIncludeMembers,
		Headers: r.ExtraHeaders, TLSHeaders: r.TLSExtraHeaders, ServerTokens: r.ServerTokens,
		Logger: log,
	})
	var network *net.OpError
	if errors.As(err, &network) {
		return nil, fmt.Errorf("restapi.listen: %w", err)
	}
	return server, err
}

// nameTimeout bounds the question whether our name is taken.
const nameTimeout = 3 * time.Second

// nameIsFree refuses to start beside a living agent of the same name. A store
// that can't be read yet is waited for by the agent, not here: the server may be a
// primary whose right to lead goes on and is to be renewed.
func nameIsFree(ctx context.Context, c *config.Config, store dcs.DCS, readTimeout time.Duration, peers *rest.Client, log *slog.Logger) error {
	ctx, cancel := clock.WithTimeout(ctx, clock.System(), nameTimeout)
	defer cancel()
	cluster, err := dcs.NewClient(store, dcs.ClientOptions{RequestTimeout: readTimeout}).Read(ctx)
	if err != nil {
		log.Warn("the store can't be read yet", "setting", c.StoreSetting(err), "error", err)
		return nil
	}
	m, ok := cluster.Member(c.Name)
	if !ok || m.APIURL == "" {
		return nil
	}
	if _, err := peers.Send(ctx, http.MethodGet, m.APIURL, "/liveness", nil); err != nil {
		return nil // nobody answers there
	}
	return fmt.Errorf("Can't start; there is already a node named '%s' running", c.Name)
}
