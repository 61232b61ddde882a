package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 2 * time.Second
	// longestPause lies between attempts.
	longestPause = 500 * time.Millisecond
	// idleTimeout is how long an unused connection stays.
	idleTimeout = time.Minute
)

// dial makes the client; it connects with the first request.
func dial(o Options) (*api.Client, *http.Transport, error) {
	wire := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: 10 * time.Second}).DialContext,
		TLSClientConfig:       o.TLS,
		TLSHandshakeTimeout:   connectTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   4,
		ExpectContinueTimeout: time.Second,
	}
	client, err := api.NewClient(&api.Config{
		Address:    o.Address,
		Datacenter: o.Datacenter,
		HttpClient: &http.Client{Transport: strict{wire, o.Token}},
	})
	return client, wire, err
}

// strict is an http.RoundTripper that makes errors of refusals, with what the
// server said, and of answers that can't be Consul's. The library drops the one
// and takes any 404 for an absent key.
type strict struct {
	wire  *http.Transport
	token string // the only one: the library would take one from the environment
}

const (
	tokenHeader = "X-Consul-Token"
	// consulHeader is in every answer of an agent since 1.9, with or without access
	// control.
	consulHeader = "X-Consul-Default-Acl-Policy"
)

// RoundTrip implements http.RoundTripper.
func (s strict) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del(tokenHeader)
	if s.token != "" {
		r.Header.Set(tokenHeader, s.token)
	}
	answer, err := s.wire.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	path, ask := r.URL.Path, r.Method
	expected := answer.StatusCode == http.StatusOK
	switch answer.StatusCode {
	case http.StatusNotFound:
		expected = ask == http.MethodGet && strings.Contains(path, "/v1/kv/") || strings.Contains(path, "/v1/session/renew/")
	case http.StatusConflict:
		expected = strings.HasSuffix(path, "/v1/txn")
	}
	if expected && answer.Header.Get(consulHeader) != "" {
		return answer, nil
	}
	defer answer.Body.Close()
	if expected {
		return nil, errNotConsul
	}
	const most = 400 // bytes: what is longer is no message of Consul's
	text, _ := io.ReadAll(io.LimitReader(answer.Body, most))
	return nil, &statusError{answer.StatusCode, strings.Join(strings.Fields(string(text)), " ")}
}

var errNotConsul = errors.New("what answered there is no Consul agent: the answer lacks the header " + consulHeader)

// statusError is an answer that is a refusal.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	if e.text == "" {
		return http.StatusText(e.code)
	}
	return fmt.Sprintf("%s (status %d)", e.text, e.code)
}

// IsLoginRefused says whether err is Consul's answer to a token that it doesn't
// know, or that doesn't allow what was asked.
func IsLoginRefused(err error) bool {
	var refusal *statusError
	return errors.As(err, &refusal) && (refusal.code == http.StatusForbidden || refusal.code == http.StatusUnauthorized) || errors.Is(err, errDenied)
}

// request is something to ask the agent, within q's context.
type request func(ctx context.Context) error

// attempt makes a request until it has an answer, good or bad, or ctx ends: it
// may be carried out more than once.
func (d *DCS) attempt(ctx context.Context, ask request) error {
	var obstacle error // the last error but that the time is up
	pause := 20 * time.Millisecond
	for {
		err := d.boundedly(ctx, ask)
		if err == nil || !worthRetrying(err) {
			return err
		}
		if ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			obstacle = err
		}
		select {
		case <-d.open.Done():
			return errClosed
		case <-ctx.Done():
			if obstacle != nil {
				return fmt.Errorf("%w: %w", obstacle, context.Cause(ctx))
			}
			return err
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

func (d *DCS) boundedly(ctx context.Context, ask request) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.AttemptTimeout)
	defer cancel()
	return d.once(ctx, ask)
}

// once makes a request that must not be carried out twice. It ends with the
// handle too.
func (d *DCS) once(ctx context.Context, ask request) error {
	if d.open.Err() != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.open, func() { cancel(errClosed) })()
	err := ask(ctx)
	if err != nil && d.open.Err() != nil {
		return errClosed
	}
	return err
}

// worthRetrying says whether the same question may have an answer a little later:
// by a server that was elected meanwhile, or by an agent that was started again.
func worthRetrying(err error) bool {
	var refusal *statusError
	if errors.As(err, &refusal) {
		switch refusal.code {
		case http.StatusInternalServerError:
			return !shortestTTL.MatchString(refusal.text) && !strings.Contains(refusal.text, "Check '")
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if errors.Is(err, errClosed) || errors.Is(err, errNotConsul) || isTLS(err) {
		return false
	}
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &shape) {
		return false
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isTLS says that both sides speak, and don't agree on who they are.
func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &record) || errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &unknown) ||
		errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "remote error: tls: ") // of no type that is known
}

// reading are the options of a linearizable question.
func reading(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
}

func writing(ctx context.Context) *api.WriteOptions { return new(api.WriteOptions).WithContext(ctx) }

// wait is the pause before the same question is asked again.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}
