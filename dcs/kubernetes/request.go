package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// request is one to the API server.
type request struct {
	method string
	path   string
	query  url.Values
	body   any    // nil: none
	accept string // the kind of answer that is wanted; empty: JSON
	answer any
}

const (
	jsonType  = "application/json"
	mergeType = "application/merge-patch+json"
	// Of many objects no more than their metadata is asked for.
	metadataList  = jsonType + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	metadataWatch = jsonType + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	// maxAnswer is far more than any list of a cluster's objects has.
	maxAnswer = 64 << 20
)

// statusError is an answer that isn't success.
type statusError struct {
	code       int
	reason     string
	message    string
	retryAfter time.Duration // what the server asks for; 0: nothing
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	if e.message != "" {
		text += ": " + e.message
	}
	return text
}

func hasCode(err error, codes ...int) bool {
	var status *statusError
	return errors.As(err, &status) && slices.Contains(codes, status.code)
}

func isNotFound(err error) bool {
	return hasCode(err, http.StatusNotFound) && !errors.Is(err, errNotOurs)
}

// IsRefused says whether err is the API server's answer to credentials that it
// doesn't know or that don't allow what was asked.
func IsRefused(err error) bool { return hasCode(err, http.StatusUnauthorized, http.StatusForbidden) }

// transient says whether the same request may be answered otherwise soon, and
// whether it may have been carried out can't be told.
func (d *DCS) transient(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.retryAfter > 0 || slices.Contains(d.options.Retriable, status.code) ||
			hasCode(err, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	}
	var certificate *tls.CertificateVerificationError
	return !errors.As(err, &certificate) && !errors.Is(err, http.ErrSchemeMismatch) && !errors.Is(err, errNotOurs) && d.closed.Err() == nil
}

// errNotOurs is an answer that no API server gives.
var errNotOurs = errors.New("the answer isn't one of a Kubernetes API server")

// attempts is how a call repeats a request: at most as long as its context lives.
type attempts struct {
	pause        time.Duration
	unauthorized bool // credentials that were refused were tried again
}

const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

// again waits before the next attempt, or returns what to give up with.
func (a *attempts) again(ctx context.Context, d *DCS, err error) error {
	if hasCode(err, http.StatusUnauthorized) && !a.unauthorized {
		a.unauthorized = true // the token may have been replaced meanwhile
		return nil
	}
	if ctx.Err() != nil || !d.transient(err) {
		return err
	}
	a.pause = min(max(2*a.pause, shortestPause), longestPause)
	pause := a.pause
	var status *statusError
	if errors.As(err, &status) && status.retryAfter > pause {
		pause = status.retryAfter
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	case <-d.closed.Done():
		return err
	case <-time.After(pause):
		return nil
	}
}

// attempt makes a request that may be carried out more than once, until it is
// answered.
func (d *DCS) attempt(ctx context.Context, r request) error {
	var a attempts
	for {
		err := d.once(ctx, r)
		if err == nil {
			return nil
		}
		if err := a.again(ctx, d, err); err != nil {
			return err
		}
	}
}

// once makes a request and waits for its answer no longer than AttemptTimeout.
func (d *DCS) once(ctx context.Context, r request) error {
	within, cancel := context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errNoAnswer)
	defer cancel()
	response, err := d.send(within, r)
	if err == nil {
		defer response.Body.Close()
		err = decode(response, r.answer)
	}
	if cause := context.Cause(within); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, withoutURL(err))
	}
	return withoutURL(err)
}

var errNoAnswer = errors.New("no answer in time")

// withoutURL takes method and URL out of an error: its callers say what was
// attempted.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) && error(u) == err {
		return u.Err
	}
	return err
}

// send makes a request. The caller closes the body of the answer.
func (d *DCS) send(ctx context.Context, r request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(d.closed, func() { cancel(errClosed) })
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			cancel(nil)
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	address := d.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	q.Header.Set("Accept", jsonType)
	if r.accept != "" {
		q.Header.Set("Accept", r.accept)
	}
	switch {
	case r.method == http.MethodPatch:
		q.Header.Set("Content-Type", mergeType)
	case r.body != nil:
		q.Header.Set("Content-Type", jsonType)
	}
	response, err := d.http.Do(q)
	if err != nil {
		stop()
		cause := context.Cause(ctx)
		cancel(nil)
		if errors.Is(cause, errClosed) {
			return nil, errClosed
		}
		return nil, err
	}
	response.Body = &answerBody{response.Body, func() { stop(); cancel(nil) }}
	return response, nil
}

var errClosed = errors.New("the handle is closed")

// answerBody ends what watches over a request when the answer was read.
type answerBody struct {
	io.ReadCloser
	done func()
}

func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// decode reads an answer into what the request wants.
func decode(response *http.Response, into any) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return statusOf(response, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %d bytes that are no JSON object", errNotOurs, len(text))
	}
	return nil
}

// statusOf is what an answer says that isn't success.
func statusOf(response *http.Response, text []byte) error {
	e := &statusError{code: response.StatusCode}
	var status struct{ Message, Reason string }
	if json.Unmarshal(text, &status) == nil {
		e.message, e.reason = status.Message, status.Reason
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		e.retryAfter = max(time.Duration(seconds)*time.Second, time.Millisecond)
	}
	if e.code == http.StatusNotFound && e.reason == "" {
		return fmt.Errorf("%w: %w", errNotOurs, e) // another server's: it says nothing about an object
	}
	return e
}
