package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/regent-ha/regent/dcs"
)

// memberAnnotation of a Pod is its member's entry.
const memberAnnotation = "status"

// objects is the answer to a list.
type objects struct {
	Metadata metadata `json:"metadata"`
	Items    []object `json:"items"`
}

// list reads all objects of the cluster of one kind, from the store itself. No
// more than their metadata is asked for.
func (d *DCS) list(ctx context.Context, resource string) (objects, error) {
	var all objects
	err := d.attempt(ctx, request{
		method: http.MethodGet, path: d.path(resource, ""), accept: metadataList, answer: &all,
		query: url.Values{"labelSelector": {selector(d.labels)}},
	})
	if err == nil && all.Metadata.ResourceVersion == "" {
		err = errNotOurs
	}
	if err != nil {
		return objects{}, fmt.Errorf("list %s: %w", resource, err)
	}
	return all, nil
}

// Read implements dcs.DCS. The documents are of one moment, the members of another.
func (d *DCS) Read(ctx context.Context) (dcs.Snapshot, error) {
	verb := "read " + d.options.Path.Scope
	snapshot := dcs.Snapshot{Sent: d.clock.Now(), Documents: map[dcs.Key]dcs.Document{}}
	found, err := d.find(ctx)
	if err != nil {
		return dcs.Snapshot{}, failed(verb, err)
	}
	pods, err := d.list(ctx, "pods")
	if err != nil {
		return dcs.Snapshot{}, failed(verb, err)
	}
	leader := found[d.names.leader]
	if r, held := d.observe(leader, d.clock.Now()); held {
		snapshot.Leader = r.holder()
	}
	for _, o := range found {
		maps.Copy(snapshot.Documents, d.names.documents(o))
	}
	for _, pod := range pods.Items {
		if doc, ok := memberOf(&pod); ok {
			snapshot.Documents[dcs.MemberKey(pod.Metadata.Name)] = doc
		}
	}
	return snapshot, nil
}

// find reads the cluster's objects, each under its name. One that the list doesn't
// have may have lost its labels: only a look at it tells that it isn't there. The
// failover object comes with the first request for one.
func (d *DCS) find(ctx context.Context) (map[string]*object, error) {
	all, err := d.list(ctx, d.resource())
	if err != nil {
		return nil, err
	}
	found := map[string]*object{}
	for i, o := range all.Items {
		if slices.Contains(d.names.all(), o.Metadata.Name) {
			found[o.Metadata.Name] = &all.Items[i]
		}
	}
	for _, name := range []string{d.names.leader, d.names.config, d.names.sync} {
		if found[name] != nil {
			continue
		}
		if found[name], err = d.look(ctx, d.resource(), name); err != nil {
			return nil, fmt.Errorf("get %s %s: %w", d.resource(), name, err)
		}
	}
	return found, nil
}

// memberOf is the entry of the Pod's member; none where no agent wrote one.
func memberOf(pod *object) (dcs.Document, bool) {
	value, ok := pod.annotations()[memberAnnotation]
	return dcs.Document{Value: []byte(value), Version: version("", value)}, ok
}
