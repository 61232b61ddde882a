package kubernetes

import (
	"context"
	"fmt"
	"net/http"

	"github.com/regent-ha/regent/dcs"
)

// Touch implements dcs.DCS. The Pod is the entry, which stays as long as it does;
// what we write is its annotation and the labels by which Services find us. An
// entry that stands as it should costs a read, and no write.
func (d *DCS) Touch(ctx context.Context, m dcs.Member) error {
	const verb = "touch"
	if err := d.needName(verb); err != nil {
		return err
	}
	value, err := m.MarshalJSON()
	if err != nil {
		return failed(verb, err)
	}
	if err := d.touching.Take(ctx); err != nil {
		return failed(verb, err)
	}
	defer d.touching.Give()
	if err := d.touch(ctx, string(value), d.roleLabels(m)); err != nil {
		return failed(verb, err)
	}
	return nil
}

func (d *DCS) touch(ctx context.Context, value string, labels map[string]any) error {
	p := patch{annotations: map[string]any{memberAnnotation: value}, labels: labels}
	if d.pod != nil && stands(d.pod, value, labels) { // it did: does it still?
		pod, err := d.look(ctx, "pods", d.name)
		if err != nil {
			return err
		}
		if d.pod = pod; stands(pod, value, labels) {
			return nil
		}
	}
	pod := &object{}
	err := d.attempt(ctx, request{method: http.MethodPatch, path: d.path("pods", d.name), answer: pod, body: p.merge(anyVersion)})
	switch {
	case isNotFound(err):
		return fmt.Errorf("%w: %w", errNoPod, err)
	case err != nil:
		return err
	}
	d.pod = pod
	return d.checkLabels(pod)
}

// checkLabels refuses a Pod that nobody would see.
func (d *DCS) checkLabels(pod *object) error {
	for name, value := range d.labels {
		if pod.Metadata.Labels[name] != value {
			return fmt.Errorf("the Pod has not the label %s=%s: nobody sees this member", name, value)
		}
	}
	return nil
}

func stands(pod *object, value string, labels map[string]any) bool {
	for name, want := range labels {
		if is, ok := pod.Metadata.Labels[name]; ok != (want != nil) || ok && is != want {
			return false
		}
	}
	is, ok := pod.annotations()[memberAnnotation]
	return ok && is == value
}

// States of a member that is being made.
var making = map[string]bool{
	"initializing new cluster": true, "running custom bootstrap script": true,
	"starting after custom bootstrap": true, "creating replica": true,
}

// roleLabels are what Services look for. Who leads has the leader's label only
// while its lease lasts by its own clock.
func (d *DCS) roleLabels(m dcs.Member) map[string]any {
	r := d.options.Roles
	labels := map[string]any{r.Label: nil}
	var raw any
	switch leads := d.leads(); {
	case leads && m.Role == "standby_leader":
		labels[r.Label], raw = r.StandbyLeader, "primary"
	case leads && (m.Role == "primary" || m.Role == "promoted"):
		labels[r.Label], raw = r.Leader, "primary"
	case m.State == "running" && m.Role == "replica":
		labels[r.Label], raw = r.Follower, m.Role
	case m.State == "running" && m.Role != "primary" && m.Role != "promoted" && m.Role != "standby_leader" && m.Role != "":
		labels[r.Label], raw = m.Role, m.Role
	}
	if r.Raw != "" {
		labels[r.Raw] = raw
	}
	for name, value := range r.Bootstrap {
		labels[name] = nil
		if making[m.State] {
			labels[name] = value
		}
	}
	return labels
}

// leads says whether our grant lasts, as far as we know.
func (d *DCS) leads() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.seen.Record
	return d.held != "" && r.Leader == d.name && r.grant() == d.held && d.clock.Now().Before(d.seen.end(d.ttl))
}
