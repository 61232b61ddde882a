package kubernetes

import (
	"context"
	"errors"
	"net/http"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// path of an object, or of all of its kind.
func (d *DCS) path(resource, name string) string {
	path := "/api/v1/namespaces/" + d.options.Namespace + "/" + resource
	if name != "" {
		path += "/" + name
	}
	return path
}

// resource and kind are what documents are kept in.
func (d *DCS) resource() string {
	if d.options.UseEndpoints {
		return "endpoints"
	}
	return "configmaps"
}

func (d *DCS) kind() string {
	if d.options.UseEndpoints {
		return "Endpoints"
	}
	return "ConfigMap"
}

// look reads an object from the store itself: without a resourceVersion in the
// request no cache may answer. One that doesn't exist has a name only.
func (d *DCS) look(ctx context.Context, resource, name string) (*object, error) {
	o := &object{}
	err := d.attempt(ctx, request{method: http.MethodGet, path: d.path(resource, name), answer: o})
	return present(o, name, err)
}

func present(o *object, name string, err error) (*object, error) {
	switch {
	case isNotFound(err):
		return &object{Metadata: metadata{Name: name}}, nil
	case err == nil && (o.Metadata.Name != name || !o.exists()):
		return nil, errNotOurs
	case err != nil:
		return nil, err
	}
	return o, nil
}

// change says what to make of an object, which may not exist. It is asked again
// when the object turns out to be another. No patch: nothing is written.
type change func(o *object) (*patch, error)

// written is an object after a write.
type written struct {
	*object
	sent clock.Instant // read just before the request that wrote was sent
}

// modify changes one of the cluster's objects, at the version that change judged:
// last if there is one, else what is read first.
func (d *DCS) modify(ctx context.Context, name string, last *object, judge change) (written, error) {
	var a attempts
	for o := last; ; o = nil {
		if o == nil {
			var err error
			if o, err = d.look(ctx, d.resource(), name); err != nil {
				return written{}, err
			}
		}
		p, err := judge(o)
		switch {
		case o == last && errors.Is(err, dcs.ErrLost):
			continue // only the store itself refuses
		case err != nil:
			return written{}, err
		}
		if p == nil {
			return written{object: o}, nil
		}
		w, err := d.write(ctx, o, p)
		if err == nil {
			return w, nil
		}
		if isMoved(err, o) {
			err = errMoved
		}
		if err := a.again(ctx, d, err); err != nil {
			return written{}, err
		}
	}
}

// errMoved means that an object isn't at the version that was judged any more. It
// is transient: another look tells what it means.
var errMoved = errors.New("the object was changed by another")

func isMoved(err error, o *object) bool {
	return hasCode(err, http.StatusConflict) || o.exists() && isNotFound(err)
}

// write sends one patch, or makes the object.
func (d *DCS) write(ctx context.Context, o *object, p *patch) (written, error) {
	name, after := o.Metadata.Name, &object{}
	r := request{method: http.MethodPatch, path: d.path(d.resource(), name), answer: after, body: p.merge(o.Metadata.ResourceVersion)}
	if !o.exists() {
		r.method, r.path, r.body = http.MethodPost, d.path(d.resource(), ""), p.create(d.kind(), name, d.labels)
	}
	w := written{object: after, sent: d.clock.Now()}
	if err := d.once(ctx, r); err != nil {
		return written{}, err
	}
	if after.Metadata.Name != name || !after.exists() {
		return written{}, errNotOurs
	}
	if !o.exists() && d.options.UseEndpoints && name == d.names.config {
		d.keepEndpoints(ctx, name)
	}
	return w, nil
}

// keepEndpoints makes a Service for the config object: the endpoints controller
// deletes Endpoints that have none. Without it they live until then.
func (d *DCS) keepEndpoints(ctx context.Context, name string) {
	err := d.once(ctx, request{method: http.MethodPost, path: d.path("services", ""), body: map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"name": name, "labels": d.labels},
		"spec":     map[string]any{"clusterIP": "None"},
	}})
	if err != nil && !hasCode(err, http.StatusConflict) {
		d.log.Warn("the Endpoints of the cluster's configuration have no Service, without which Kubernetes may delete them", "name", name, "error", err)
	}
}
