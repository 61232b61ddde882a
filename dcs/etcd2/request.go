package etcd2

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 2 * time.Second
	// maxAnswer is far more than any cluster has.
	maxAnswer = 64 << 20
	// shortestPause and longestPause lie between attempts.
	shortestPause, longestPause = 20 * time.Millisecond, 500 * time.Millisecond
)

// request is one to the keys of a server.
type request struct {
	method string
	key    string
	query  url.Values // of a GET or DELETE
	form   url.Values // of a PUT
	// once: whoever sent it twice wouldn't know which of the two was carried out.
	once bool
	sent func() // called just before the request is sent; may be nil
}

func newClient(o Options) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         dialer.DialContext,
			TLSClientConfig:     o.TLS,
			TLSHandshakeTimeout: connectTimeout,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     time.Minute,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2: a connection for each request under way
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// attempt makes a request until a server answers it, one after the other, or ctx
// ends: it may be carried out more than once, unless it says otherwise.
func (d *DCS) attempt(ctx context.Context, r request) (answer, error) {
	pause, refusing := shortestPause, map[string]bool{}
	var refusal error
	for tries := 1; ; tries++ {
		server := d.servers.first()
		a, err := d.try(ctx, server, r)
		a.tries = tries
		if err == nil || isFinal(err) {
			return a, err
		}
		d.servers.failed(server)
		if isPermanent(err) {
			refusing[server], refusal = true, fmt.Errorf("%s: %w", server, err)
			if len(refusing) >= d.servers.count() {
				return a, refusal
			}
		} else if r.once && !isUnsent(err) || d.closed.Err() != nil {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, obstacle(ctx, server, err, refusal)
		case <-d.closed.Done():
			return a, errClosed
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// obstacle says why there was no answer before ctx ended. What a server refuses for
// good tells more than that another is away.
func obstacle(ctx context.Context, server string, err, refusal error) error {
	switch {
	case refusal != nil:
		err = refusal
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // also how etcd treats the other scheme
		err = fmt.Errorf("%s: the server ended the connection, as it does when http:// and https:// are mixed up: %w", server, err)
	case !isUnsent(err): // that names it
		err = fmt.Errorf("%s: %w", server, err)
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// try makes a request to one server and waits no longer than AttemptTimeout for
// its answer, unless it must not be repeated.
func (d *DCS) try(ctx context.Context, server string, r request) (answer, error) {
	within := ctx
	if !r.once {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeoutCause(ctx, d.options.AttemptTimeout, errNoAnswer)
		defer cancel()
	}
	a := answer{server: server}
	if r.sent != nil {
		r.sent()
	}
	a.sent = d.clock.Now()
	response, err := d.send(within, server, r)
	if err == nil {
		defer response.Body.Close()
		err = d.decode(response, &a)
	}
	if err == nil && a.Node.Key != r.key {
		err = fmt.Errorf("%w: it is about %s", errNotOurs, a.Node.Key)
	}
	if cause := context.Cause(within); err != nil && cause != nil && !errors.Is(err, cause) && !isFinal(err) {
		err = fmt.Errorf("%w: %w", cause, withoutURL(err))
	}
	return a, withoutURL(err)
}

var (
	errNoAnswer = errors.New("no answer in time")
	errClosed   = errors.New("the handle is closed")
)

// send makes a request. The caller closes the body of the answer.
func (d *DCS) send(ctx context.Context, server string, r request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(d.closed, func() { cancel(errClosed) })
	address := server + path(r.key)
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.form != nil {
		body = strings.NewReader(r.form.Encode())
	}
	q, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if r.form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if d.options.Username != "" {
		q.SetBasicAuth(d.options.Username, d.options.Password)
	}
	response, err := d.http.Do(q)
	if err != nil {
		stop()
		cause := context.Cause(ctx)
		cancel(nil)
		if errors.Is(cause, errClosed) {
			err = errClosed
		}
		return nil, err
	}
	response.Body = &answerBody{response.Body, func() { stop(); cancel(nil) }}
	if err := d.check(response); err != nil {
		response.Body.Close()
		return nil, err
	}
	d.clocks.note(server, response.Header.Get("Date"), d.clock.Now())
	return response, nil
}

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

// check refuses an answer that isn't one of the keys of our store, whatever it
// says: another server's "not found" would be an empty cluster.
func (d *DCS) check(response *http.Response) error {
	id := response.Header.Get("X-Etcd-Cluster-Id")
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return &statusError{code: response.StatusCode, message: "the user name and the password, or their absence, are refused"}
	case id == "" && response.StatusCode == http.StatusNotFound:
		return errNoV2
	case id == "" && response.StatusCode >= 300:
		return &statusError{code: response.StatusCode}
	case id == "":
		return errNotOurs
	}
	return d.store.check(id)
}

// decode reads an answer, or the server's reason to refuse.
func (d *DCS) decode(response *http.Response, a *answer) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		refusal := &keysError{}
		if json.Unmarshal(text, refusal) != nil || refusal.Code == 0 {
			return &statusError{code: response.StatusCode}
		}
		if response.Header.Get("X-Etcd-Index") == "" {
			return errNotOurs
		}
		return refusal
	}
	if err := json.Unmarshal(text, a); err != nil || a.Action == "" || a.Node == nil {
		return fmt.Errorf("%w: %d bytes", errNotOurs, len(text))
	}
	if a.index, err = strconv.ParseUint(response.Header.Get("X-Etcd-Index"), 10, 64); err != nil {
		return fmt.Errorf("%w: X-Etcd-Index is missing", errNotOurs)
	}
	return nil
}

// withoutURL takes method and URL out of an error: its callers say what was
// attempted.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) && error(u) == err {
		return u.Err
	}
	return err
}
