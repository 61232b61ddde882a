package etcd2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Watch implements dcs.DCS. Its goroutines end with ctx.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	go func() {
		defer close(hints)
		d.watch(ctx, func() {
			select {
			case hints <- struct{}{}:
			default: // merges with the hint that nobody took yet
			}
		})
	}()
	return hints
}

func (d *DCS) watch(ctx context.Context, hint func()) {
	pause, broken := shortestPause, false
	for {
		err := d.stand(ctx, hint, func() {
			if broken {
				d.log.Info("watching the store again")
			}
			pause, broken = shortestPause, false
		})
		if ctx.Err() != nil || d.closed.Err() != nil {
			<-ctx.Done()
			return
		}
		if errors.Is(err, errCleared) {
			continue
		}
		if !broken {
			broken = true
			d.log.Warn("the watch on the store broke", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

var (
	// errCleared means that the server no longer has the events since the index
	// that we were at.
	errCleared = errors.New("the events are forgotten")
	errSilent  = errors.New("the server is silent, or has no majority")
)

// stand watches at one server until that fails. It never resumes after that: what
// happened meanwhile is the hint that each beginning gives.
func (d *DCS) stand(ctx context.Context, hint, stands func()) error {
	a, err := d.attempt(ctx, request{method: http.MethodGet, key: d.leaderKey(), query: url.Values{"quorum": {"true"}}})
	var refusal *keysError
	index := a.index
	switch {
	case isAbsent(err) && errors.As(err, &refusal):
		index = refusal.Index
	case err != nil:
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	probing := make(chan struct{})
	go func() {
		defer close(probing)
		d.probe(ctx, a.server, cancel)
	}()
	for first := true; err == nil || first; first = false {
		index, err = d.poll(ctx, a.server, index, first, hint, stands)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-probing
	if !errors.Is(err, errCleared) {
		d.servers.failed(a.server)
	}
	return err
}

// poll asks for the events after an index, waits for one at most for a minute, and
// returns the index to go on after.
func (d *DCS) poll(ctx context.Context, server string, index uint64, first bool, hint, stands func()) (uint64, error) {
	const longest = time.Minute
	began := time.Now()
	polling, cancel := context.WithTimeoutCause(ctx, longest, errNoAnswer)
	defer cancel()
	response, err := d.send(polling, server, request{method: http.MethodGet, key: d.root, query: url.Values{
		"wait": {"true"}, "recursive": {"true"}, "waitIndex": {strconv.FormatUint(index+1, 10)},
	}})
	if err != nil {
		return index, withoutURL(err)
	}
	defer response.Body.Close()
	if now, err := strconv.ParseUint(response.Header.Get("X-Etcd-Index"), 10, 64); err == nil && response.StatusCode == http.StatusOK && now > index {
		index = now // there is no event up to now, or one that is about to be read
	}
	if first && response.StatusCode == http.StatusOK {
		stands()
		hint()
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil && ctx.Err() == nil && polling.Err() != nil:
		return index, nil // none came
	case err != nil:
		return index, err
	case len(text) == 0 && time.Since(began) > time.Second:
		return index, nil // the server ended it
	}
	var event struct {
		answer
		keysError
	}
	if err := json.Unmarshal(text, &event); err != nil {
		return index, fmt.Errorf("%w: %d bytes", errNotOurs, len(text))
	}
	switch {
	case event.Code == codeCleared:
		return index, errCleared
	case event.Code != 0:
		return index, &event.keysError
	case event.Node == nil:
		return index, errNotOurs
	}
	hint()
	return event.Node.ModifiedIndex, nil
}

// probe asks the server for a sign of life again and again, and ends a watch whose
// server stays silent or has lost its majority: neither ends a connection.
func (d *DCS) probe(ctx context.Context, server string, cancel context.CancelCauseFunc) {
	every := min(max(d.options.TTL/6, 500*time.Millisecond), 5*time.Second)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		within, done := context.WithTimeout(ctx, every)
		_, err := d.try(within, server, request{method: http.MethodGet, key: d.leaderKey(), query: url.Values{"quorum": {"true"}}})
		done()
		if err != nil && !isFinal(err) {
			cancel(fmt.Errorf("%w: %w", errSilent, err))
			return
		}
	}
}
