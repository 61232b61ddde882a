package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/jsontext"
)

// ClientOptions say how other members are asked. The zero value asks over plain
// HTTP, or over TLS with the system's authorities.
type ClientOptions struct {
	Auth              Auth   // sent with what changes something
	CAFile            string // PEM; empty: the system's
	CertFile, KeyFile string // PEM, read at each connection
	// Insecure doesn't check the server's certificate. With CAFile its authority is
	// checked all the same, and only its host name isn't, as members do among
	// themselves: what they are reached by is often in no certificate.
	Insecure bool
	Dial     time.Duration // for a connection; 0: as long as the request may take
	Release  string        // of the program
}

// Client asks members by their REST API. It is ha.Peers.
type Client struct {
	http    *http.Client
	auth    Auth
	program string
}

// NewClient checks o; the files it names must be readable.
func NewClient(o ClientOptions) (*Client, error) {
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		// No proxy: a member is asked where it says that it is.
		DialContext:       (&net.Dialer{Timeout: o.Dial}).DialContext,
		TLSClientConfig:   config,
		DisableKeepAlives: true,
		TLSNextProto:      map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
	}
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http: &http.Client{Transport: transport, CheckRedirect: noRedirects},
		auth: o.Auth, program: "regent/" + o.Release,
	}, nil
}

func (o ClientOptions) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	var err error
	if o.CAFile != "" {
		if c.RootCAs, err = readPool(o.CAFile); err != nil {
			return nil, fmt.Errorf("rest: ClientOptions.CAFile: %w", err)
		}
	}
	if o.Insecure && o.CAFile != "" {
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyAuthority(s.PeerCertificates, c.RootCAs) }
	}
	if o.CertFile == "" {
		return c, nil
	}
	pair := &certificate{certFile: o.CertFile, keyFile: o.KeyFile}
	if pair.keyFile == "" {
		pair.keyFile = o.CertFile
	}
	if _, err := pair.get(nil); err != nil {
		return nil, fmt.Errorf("rest: ClientOptions.CertFile: %w", err)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(nil) }
	return c, nil
}

// Reply is a member's answer.
type Reply struct {
	Status int
	Body   []byte
	Header http.Header
}

// Text is the body without white space around it.
func (r Reply) Text() string { return strings.TrimSpace(string(r.Body)) }

// Send sends one request to the member at apiURL, which any path stands in, and
// returns its answer whatever the status. path may have a query behind it. An
// error means that there was no answer. The context bounds it.
func (c *Client) Send(ctx context.Context, method, apiURL, path string, body any) (Reply, error) {
	target, err := url.Parse(apiURL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return Reply{}, fmt.Errorf("rest: %q is no URL of a REST API", apiURL)
	}
	target.Path, target.RawQuery, _ = strings.Cut(path, "?")
	request, err := c.request(ctx, method, target, body)
	if err != nil {
		return Reply{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Reply{}, fmt.Errorf("rest: %s %w", method, &transportError{unquoted(err)})
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes+1))
	switch {
	case err != nil:
		return Reply{}, fmt.Errorf("rest: %s %s: read the answer: %w", method, target, &transportError{err})
	case len(text) > answerBytes:
		return Reply{}, fmt.Errorf("rest: %s %s: the answer is longer than %d bytes", method, target, answerBytes)
	}
	return Reply{Status: response.StatusCode, Body: text, Header: response.Header}, nil
}

// answerBytes bounds what is read of an answer.
const answerBytes = 4 << 20

func (c *Client) request(ctx context.Context, method string, target *url.URL, body any) (*http.Request, error) {
	var reader io.Reader = http.NoBody
	if body != nil {
		text, err := jsontext.Encode(body)
		if err != nil {
			return nil, fmt.Errorf("rest: %s %s: %w", method, target, err)
		}
		reader = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(ctx, method, target.String(), reader)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	r.Header.Set("User-Agent", c.program)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet && c.auth.Username != "" {
		r.SetBasicAuth(c.auth.Username, c.auth.Password)
	}
	return r, nil
}

// unquoted takes the method out of net/http's error, which we give ourselves.
func unquoted(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", u.URL, u.Err)
	}
	return err
}

// Close lets go of what the client holds.
func (c *Client) Close() { c.http.CloseIdleConnections() }
