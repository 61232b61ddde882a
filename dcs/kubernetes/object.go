package kubernetes

import (
	"encoding/json"
	"maps"
	"strconv"

	"github.com/regent-ha/regent/dcs"
)

// object is what we know of any object of the API.
type object struct {
	Metadata metadata        `json:"metadata"`
	Subsets  json.RawMessage `json:"subsets"` // of Endpoints
	Status   struct {
		PodIP string `json:"podIP"` // of a Pod
	} `json:"status"`
}

type metadata struct {
	Name            string            `json:"name"`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
}

// exists says whether the object is there, or only what would be its name.
func (o *object) exists() bool { return o.Metadata.ResourceVersion != "" }

func (o *object) annotations() map[string]string { return o.Metadata.Annotations }

// names are those of a cluster's objects.
type names struct {
	leader, config, failover, sync string
}

func namesOf(o Options) names {
	base := o.Path.Scope
	if o.Path.Group != nil {
		base += "-" + strconv.Itoa(*o.Path.Group)
	}
	n := names{leader: base, config: base + "-config", failover: base + "-failover", sync: base + "-sync"}
	if !o.UseEndpoints {
		n.leader += "-leader"
	}
	return n
}

func (n names) all() []string { return []string{n.leader, n.config, n.failover, n.sync} }

// of is the object that holds a document.
func (n names) of(key dcs.Key) string {
	switch key {
	case dcs.StatusKey, dcs.FailsafeKey:
		return n.leader
	case dcs.FailoverKey:
		return n.failover
	case dcs.SyncKey:
		return n.sync
	}
	return n.config
}

// patch is a change of an object. A nil annotation or label is removed.
type patch struct {
	annotations map[string]any
	labels      map[string]any
	subsets     any // nil: as they are
}

// annotate adds annotations.
func (p *patch) annotate(annotations map[string]any) {
	if p.annotations == nil {
		p.annotations = map[string]any{}
	}
	maps.Copy(p.annotations, annotations)
}

// anyVersion is that of an object that nobody looked at.
const anyVersion = "*"

// merge is the body of a merge patch (RFC 7386) that is refused unless the object
// is at that resourceVersion.
func (p patch) merge(resourceVersion string) map[string]any {
	m := map[string]any{}
	if resourceVersion != anyVersion {
		m["resourceVersion"] = resourceVersion
	}
	if len(p.annotations) > 0 {
		m["annotations"] = p.annotations
	}
	if len(p.labels) > 0 {
		m["labels"] = p.labels
	}
	body := map[string]any{"metadata": m}
	if p.subsets != nil {
		body["subsets"] = p.subsets
	}
	return body
}

// create is the body that makes the object.
func (p patch) create(kind, name string, labels map[string]string) map[string]any {
	annotations := maps.Clone(p.annotations)
	maps.DeleteFunc(annotations, func(_ string, v any) bool { return v == nil })
	body := patch{annotations: annotations, subsets: p.subsets}.merge(anyVersion)
	body["apiVersion"], body["kind"] = "v1", kind
	m := body["metadata"].(map[string]any)
	m["name"], m["labels"] = name, labels
	return body
}
