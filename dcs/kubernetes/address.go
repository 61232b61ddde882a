package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// subset is what the leader's Endpoints say: one address, and its ports.
type subset struct {
	Addresses []address `json:"addresses"`
	Ports     []Port    `json:"ports"`
}

type address struct {
	IP        string     `json:"ip"`
	TargetRef *targetRef `json:"targetRef,omitempty"`
}

type targetRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// subsets are what the leader's Endpoints are to have while we lead; nil without
// Endpoints. A Pod keeps its address for life: it is looked up once.
func (d *DCS) subsets(ctx context.Context) (any, error) {
	if !d.options.UseEndpoints {
		return nil, nil
	}
	d.mu.Lock()
	a := d.address
	d.mu.Unlock()
	if a.IP == "" {
		pod, err := d.look(ctx, "pods", d.name)
		if err != nil {
			return nil, fmt.Errorf("get pods %s: %w", d.name, err)
		}
		if a.IP = d.options.PodIP; a.IP == "" {
			a.IP = pod.Status.PodIP
		}
		if a.IP == "" {
			return nil, errors.New("the Pod has no address yet, which the leader's Endpoints need")
		}
		if pod.exists() {
			a.TargetRef = &targetRef{Kind: "Pod", Namespace: d.options.Namespace, Name: d.name, UID: pod.Metadata.UID}
		}
		d.mu.Lock()
		d.address = a
		d.mu.Unlock()
	}
	return []subset{{Addresses: []address{a}, Ports: d.options.Ports}}, nil
}

// missingSubsets are those to be written because the Endpoints name somebody else,
// or nobody.
func (d *DCS) missingSubsets(ctx context.Context, o *object) (any, error) {
	want, err := d.subsets(ctx)
	if err != nil || want == nil {
		return nil, err
	}
	var now []subset
	if len(o.Subsets) > 0 && json.Unmarshal(o.Subsets, &now) != nil {
		return want, nil
	}
	ip := want.([]subset)[0].Addresses[0].IP
	if len(now) == 1 && len(now[0].Addresses) == 1 && now[0].Addresses[0].IP == ip {
		return nil, nil
	}
	return want, nil
}

// noSubsets is the leader's Endpoints without a leader; nil without Endpoints.
func (d *DCS) noSubsets() any {
	if !d.options.UseEndpoints {
		return nil
	}
	return []subset{}
}
