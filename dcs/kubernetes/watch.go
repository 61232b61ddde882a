package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// Watch implements dcs.DCS. Its goroutines end with ctx. The end of a grant is no
// event of the store: a timer gives that hint.
func (d *DCS) Watch(ctx context.Context) <-chan struct{} {
	w := &watch{d: d, hints: make(chan struct{}, 1), seen: make(chan struct{}, 1)}
	go func() {
		defer close(w.hints)
		var streams sync.WaitGroup
		streams.Go(func() { w.follow(ctx, d.resource(), &d.objects) })
		streams.Go(func() { w.follow(ctx, "pods", &d.pods) })
		w.expiries(ctx)
		streams.Wait()
	}()
	return w.hints
}

// watch is one call of Watch.
type watch struct {
	d     *DCS
	hints chan struct{}
	seen  chan struct{} // a leader record was looked at
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // merges with the one that nobody took yet
	}
}

// expiries gives a hint when the leader record that was seen last stops to count.
func (w *watch) expiries(ctx context.Context) {
	var given clock.Instant
	for {
		at, held := w.d.expiry()
		if held && at != given && !w.d.clock.Now().Before(at) {
			given = at
			w.d.objects.News(w.d.clock.Now())
			signal(w.hints)
			continue
		}
		if !held || at == given {
			at = w.d.clock.Now().Add(time.Hour)
		}
		timer := w.d.clock.NewTimer(at)
		select {
		case <-timer.C():
		case <-w.seen:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// follow keeps a stream of changes standing, and gives a hint for each change and
// whenever it stands anew.
func (w *watch) follow(ctx context.Context, resource string, silence *dcs.Silence) {
	pause, broken := shortestPause, false
	for {
		err := w.stream(ctx, resource, silence, func() {
			if broken {
				w.d.log.Info("watching the store again", "objects", resource)
			}
			pause, broken = shortestPause, false
		})
		silence.Broken()
		if ctx.Err() != nil || w.d.closed.Err() != nil {
			<-ctx.Done()
			return
		}
		if !broken && !errors.Is(err, errGone) {
			broken = true
			w.d.log.Warn("the watch on the store broke", "objects", resource, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// errGone means that the server no longer has the changes since the version that
// we were at: the objects are read anew.
var errGone = errors.New("the version is too old to watch from")

// stream reads all objects, then their changes one answer after the other, until
// that fails.
func (w *watch) stream(ctx context.Context, resource string, silence *dcs.Silence, stands func()) error {
	all, err := w.d.list(ctx, resource)
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, o := range all.Items {
		w.look(resource, &o)
		known[o.Metadata.Name] = relevant(resource, &o)
	}
	stands()
	silence.News(w.d.clock.Now())
	signal(w.hints)
	for version := all.Metadata.ResourceVersion; ; {
		if version, err = w.changes(ctx, resource, version, known, silence); err != nil {
			return err
		}
	}
}

// relevant is what a change of an object must change to be news. A Pod's status, its
// probes and its labels are none, nor is it that a leader has renewed its record.
func relevant(resource string, o *object) string {
	annotations := maps.Clone(o.annotations())
	delete(annotations, renewTimeAnnotation)
	text, _ := json.Marshal(annotations)
	if resource == "pods" {
		doc, ok := memberOf(o)
		text = fmt.Appendf(nil, "%v %s", ok, doc.Value)
	}
	return string(text)
}

// look counts the time of a leader record from here.
func (w *watch) look(resource string, o *object) {
	if resource != "pods" && o.Metadata.Name == w.d.names.leader {
		w.d.observe(o, w.d.clock.Now())
		signal(w.seen)
	}
}

// event of a watch.
type event struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// errAtOnce keeps from asking a server again and again that can't wait.
var errAtOnce = errors.New("the server ended the watch at once")

// changes asks for changes after a version until the server ends its answer, which
// it does in time, and returns the version to go on from. A server that is silent
// for longer is given up.
func (w *watch) changes(ctx context.Context, resource, version string, known map[string]string, silence *dcs.Silence) (string, error) {
	began, asked := time.Now(), w.d.clock.Now()
	lasts := min(max(w.d.options.TTL/3, time.Second), time.Minute).Truncate(time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, lasts+5*time.Second, errNoAnswer)
	defer cancel()
	response, err := w.d.send(ctx, request{method: http.MethodGet, path: w.d.path(resource, ""), accept: metadataWatch, query: url.Values{
		"labelSelector": {selector(w.d.labels)}, "watch": {"1"}, "allowWatchBookmarks": {"true"},
		"resourceVersion": {version}, "timeoutSeconds": {strconv.Itoa(int(lasts / time.Second))},
	}})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		err := decode(response, nil)
		if hasCode(err, http.StatusGone) {
			return "", errGone
		}
		return "", fmt.Errorf("watch %s: %w", resource, err)
	}
	version, err = w.receive(json.NewDecoder(response.Body), resource, version, known, silence)
	switch took := time.Since(began); {
	case err != nil:
	case took < time.Second/2:
		err = errAtOnce
	case took >= lasts:
		silence.Proven(asked.Add(lasts))
	}
	return version, err
}

func (w *watch) receive(events *json.Decoder, resource, version string, known map[string]string, silence *dcs.Silence) (string, error) {
	news := func() {
		silence.News(w.d.clock.Now())
		signal(w.hints)
	}
	for {
		var e event
		if err := events.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				return version, nil // its time was over
			}
			return "", err
		}
		var o object
		if err := json.Unmarshal(e.Object, &o); err != nil || e.Type == "ERROR" {
			return "", errorOf(e)
		}
		version = o.Metadata.ResourceVersion
		if e.Type == "BOOKMARK" {
			continue
		}
		name, now := o.Metadata.Name, relevant(resource, &o)
		if e.Type == "DELETED" {
			delete(known, name)
			news()
			continue
		}
		w.look(resource, &o)
		if before, ok := known[name]; !ok || before != now {
			known[name] = now
			news()
		}
	}
}

func errorOf(e event) error {
	var status struct {
		Code    int
		Message string
	}
	if json.Unmarshal(e.Object, &status) != nil || status.Code == 0 {
		return errNotOurs
	}
	if status.Code == http.StatusGone {
		return errGone
	}
	return &statusError{code: status.Code, message: status.Message}
}
