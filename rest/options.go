package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/ha"
)

// Options are what a Server is made of.
type Options struct {
	Agent   Agent
	Peers   ha.Peers // how candidates are asked; a Client
	Name    string   // of the member
	Scope   string   // the cluster's name
	Release string   // of the program

	// Listen is host:port; the host empty or * for every address.
	Listen string
	TLS    TLS
	Auth   Auth // asked of requests that change something; empty: nobody is asked

	// Allowlist has the host names, addresses and networks that may ask for
	// changes. Empty, and without AllowMembers: everybody may.
	Allowlist    []string
	AllowMembers bool // members of the cluster may, by the hosts of their api_url

	Headers      map[string]string // of every answer
	TLSHeaders   map[string]string // of every answer over TLS, over Headers
	ServerTokens string            // original (default), productonly or minimal: what the header Server tells

	HandshakeTimeout time.Duration // for the handshake and a request's header; 0: 5 s
	RequestTimeout   time.Duration // for the whole of a request, and for the client to take the answer; 0: 10 s

	Clock  clock.Clock  // that leases are counted on; nil: clock.System()
	Logger *slog.Logger // nil: discards
}

// Auth is a user name and its password for HTTP's basic authentication.
type Auth struct{ Username, Password string }

// TLS of a Server. Without CertFile it speaks plain HTTP.
type TLS struct {
	CertFile, KeyFile string // PEM, read again when they change; an empty KeyFile: the key is in CertFile
	CAFile            string // who signs clients' certificates
	VerifyClient      string // none (default), optional (needed for changes) or required
	// PeersCAFile is by what the other members check CertFile, as ClientOptions.CAFile.
	// A certificate that it doesn't make good is refused, at start and when it changes.
	// Empty: they don't.
	PeersCAFile string
}

// What a client certificate is needed for.
const (
	verifyNone     = "none"
	verifyOptional = "optional"
	verifyRequired = "required"
)

func (o *Options) check() error {
	switch {
	case o.Agent == nil:
		return errors.New("rest: Options.Agent is missing")
	case o.Peers == nil:
		return errors.New("rest: Options.Peers is missing: a Client is one")
	case o.Name == "":
		return errors.New("rest: Options.Name is empty: it must be the member's name")
	case (o.Auth.Username == "") != (o.Auth.Password == ""):
		return errors.New("rest: Options.Auth needs both Username and Password")
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("rest: Options.Listen is %q: it must be host:port", o.Listen)
	}
	if host == "*" {
		o.Listen = net.JoinHostPort("", port)
	}
	switch o.ServerTokens = strings.ToLower(o.ServerTokens); o.ServerTokens {
	case "":
		o.ServerTokens = "original"
	case "original", "productonly", "minimal":
	default:
		return fmt.Errorf("rest: Options.ServerTokens is %q: allowed are original, productonly, minimal", o.ServerTokens)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o.TLS.check()
}

func (t *TLS) check() error {
	switch t.VerifyClient {
	case "":
		t.VerifyClient = verifyNone
	case verifyNone, verifyOptional, verifyRequired:
	default:
		return fmt.Errorf("rest: Options.TLS.VerifyClient is %q: allowed are none, optional, required", t.VerifyClient)
	}
	switch {
	case t.CertFile == "" && (t.KeyFile != "" || t.VerifyClient != verifyNone):
		return errors.New("rest: Options.TLS.CertFile is missing: KeyFile and VerifyClient need it")
	case t.CAFile == "" && t.VerifyClient != verifyNone:
		return fmt.Errorf("rest: Options.TLS.CAFile is missing: VerifyClient %s needs it", t.VerifyClient)
	}
	if t.KeyFile == "" {
		t.KeyFile = t.CertFile
	}
	return nil
}
