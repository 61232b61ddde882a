package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/regent-ha/regent/dcs"
)

// Put implements dcs.DCS.
func (d *DCS) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	verb := "put " + string(w.Key)
	if w.Value == nil {
		verb = "delete " + string(w.Key)
	}
	if err := checkKey(w.Key); err != nil {
		return dcs.Absent, failed(verb, err)
	}
	e := newEdit(d.names.of(w.Key), w)
	after, err := d.modify(ctx, e.name, nil, func(o *object) (*patch, error) {
		p := &patch{}
		if err := e.apply(o, p); err != nil || len(p.annotations) == 0 {
			return nil, err
		}
		return p, nil
	})
	if err != nil {
		return dcs.Absent, failed(verb, err)
	}
	doc, _ := readDocument(w.Key, after.annotations())
	return doc.Version, nil
}

// Delete implements dcs.DCS.
func (d *DCS) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	if name, ok := key.MemberName(); ok {
		if err := d.deleteMember(ctx, name, prev); err != nil {
			return failed("delete "+string(key), err)
		}
		return nil
	}
	_, err := d.Put(ctx, dcs.Write{Key: key, Prev: prev})
	return err
}

// RemoveCluster implements dcs.DCS. Pods stay, without their entries. The config
// object goes last: as long as it is there, the key is absent and nothing is lost.
func (d *DCS) RemoveCluster(ctx context.Context) error {
	verb := "remove " + d.options.Path.Scope
	if err := d.removeEntries(ctx); err != nil {
		return failed(verb, err)
	}
	for _, name := range []string{d.names.leader, d.names.failover, d.names.sync, d.names.config} {
		err := d.attempt(ctx, request{method: http.MethodDelete, path: d.path(d.resource(), name)})
		if err != nil && !isNotFound(err) {
			return failed(verb, fmt.Errorf("delete %s %s: %w", d.resource(), name, err))
		}
	}
	if !d.options.UseEndpoints {
		return nil
	}
	err := d.attempt(ctx, request{method: http.MethodDelete, path: d.path("services", d.names.config)})
	if err != nil && !isNotFound(err) {
		return failed(verb, fmt.Errorf("delete services %s: %w", d.names.config, err))
	}
	return nil
}

func (d *DCS) removeEntries(ctx context.Context) error {
	pods, err := d.list(ctx, "pods")
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if _, ok := memberOf(&pod); !ok {
			continue
		}
		if err := d.deleteMember(ctx, pod.Metadata.Name, dcs.Any); err != nil {
			return err
		}
	}
	return nil
}

// deleteMember takes a member's entry off its Pod.
func (d *DCS) deleteMember(ctx context.Context, name string, prev dcs.Version) error {
	w := dcs.Write{Prev: prev}
	var a attempts
	for {
		pod, err := d.look(ctx, "pods", name)
		if err != nil {
			return err
		}
		doc, ok := memberOf(pod)
		if !isAt(w, doc, ok) {
			return dcs.ErrConflict
		}
		if !ok {
			return nil
		}
		p := patch{annotations: map[string]any{memberAnnotation: nil}}
		err = d.once(ctx, request{method: http.MethodPatch, path: d.path("pods", name), body: p.merge(pod.Metadata.ResourceVersion)})
		if err == nil {
			return nil
		}
		if isMoved(err, pod) {
			err = errMoved
		}
		if err := a.again(ctx, d, err); err != nil {
			return err
		}
	}
}

var errNoPod = errors.New("there is no such Pod: a member must be named after the Pod that it runs in")
