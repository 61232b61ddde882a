package kubernetes

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/testenv"
)

// object reads one as an operator would.
func lookAt(t *testing.T, k *testenv.KubernetesCluster, path string) (o object) {
	t.Helper()
	if err := json.Unmarshal(k.Do(t, "GET", "/api/v1/namespaces/default/"+path, nil), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// theirs are the annotations without ours and without times.
func theirs(t *testing.T, o object) map[string]string {
	t.Helper()
	a := maps.Clone(o.Metadata.Annotations)
	for name, value := range a {
		if strings.HasPrefix(name, "regent/") {
			delete(a, name)
		}
		if strings.HasSuffix(name, "Time") {
			if _, err := time.Parse(timeFormat, value); err != nil {
				t.Error(err)
			}
			a[name] = "time"
		}
	}
	return a
}

func TestLayoutOfEndpoints(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	podLabels := map[string]string{"application": "regent", "cluster-name": "demo"}
	k.Pod(t, "default", "demo-0", "10.1.2.3", podLabels)
	a := openHere(t, k, Options{Name: "demo-0", TTL: 20 * time.Second, UseEndpoints: true, Ports: []Port{{Name: "postgresql", Port: 5432}},
		Roles: Roles{Leader: "master", Raw: "tmp", Bootstrap: map[string]string{"is-new": "yes"}}})
	ctx := t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	role := func(want ...string) {
		t.Helper()
		l := lookAt(t, k, "pods/demo-0").Metadata.Labels
		if diff := cmp.Diff(want, []string{l["role"], l["tmp"], l["is-new"]}); diff != "" {
			t.Errorf("role, tmp, is-new: %s", diff)
		}
	}
	must("Touch", a.Touch(ctx, dcs.Member{State: "creating replica", Role: "uninitialized"}))
	role("", "", "yes")
	must("Touch", a.Touch(ctx, dcs.Member{State: "running", Role: "primary"}))
	role("", "", "") // it has no lease
	l := acquireHere(t, a)
	must("Touch", a.Touch(ctx, dcs.Member{State: "running", Role: "replica"}))
	role("replica", "replica", "")
	must("Touch", a.Touch(ctx, dcs.Member{State: "running", Role: "primary"}))
	role("master", "primary", "")

	_, err := a.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte(`{"ttl":20}`), Prev: dcs.Absent})
	must("Put", err)
	_, err = a.Put(ctx, dcs.Write{Key: dcs.InitializeKey, Value: []byte(`7711159760801012928`), Prev: dcs.Absent})
	must("Put", err)
	_, err = a.Put(ctx, dcs.Write{Key: dcs.FailoverKey, Value: []byte(`{"leader":"demo-0"}`), Prev: dcs.Absent})
	must("Put", err)
	l, err = a.UpdateLeader(ctx, l,
		dcs.Write{Key: dcs.StatusKey, Value: []byte(`{"optime":5,"slots":{"x":5},"retain_slots":["x"]}`), Prev: dcs.Absent},
		dcs.Write{Key: dcs.FailsafeKey, Value: []byte(`{"demo-0":"http://10.1.2.3:8008/patroni"}`), Prev: dcs.Absent},
		dcs.Write{Key: dcs.HistoryKey, Value: []byte(`[]`), Prev: dcs.Absent},
		dcs.Write{Key: dcs.SyncKey, Value: []byte(`{"leader":"demo-0","quorum":0,"sync_standby":"demo-1"}`), Prev: dcs.Absent})
	must("UpdateLeader", err)

	leader := lookAt(t, k, "endpoints/demo")
	want := map[string]map[string]string{
		"demo": {"leader": "demo-0", "acquireTime": "time", "renewTime": "time", "ttl": "20", "transitions": "0", "optime": "5", "slots": `{"x":5}`,
			"retain_slots": `["x"]`, "failsafe": `{"demo-0":"http://10.1.2.3:8008/patroni"}`},
		"demo-config":   {"config": `{"ttl":20}`, "initialize": "7711159760801012928", "history": "[]"},
		"demo-failover": {"leader": "demo-0"},
		"demo-sync":     {"leader": "demo-0", "quorum": "0", "sync_standby": "demo-1"},
	}
	for name, annotations := range want {
		o := lookAt(t, k, "endpoints/"+name)
		if diff := cmp.Diff(annotations, theirs(t, o)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(podLabels, o.Metadata.Labels); diff != "" {
			t.Errorf("labels of %s: %s", name, diff)
		}
	}
	if got := string(leader.Subsets); !strings.Contains(got, `"ip":"10.1.2.3"`) || !strings.Contains(got, `"name":"postgresql"`) || !strings.Contains(got, `"kind":"Pod"`) {
		t.Errorf("subsets: %s", got)
	}
	if text := string(k.Do(t, "GET", "/api/v1/namespaces/default/services/demo-config", nil)); !strings.Contains(text, `"clusterIP":"None"`) {
		t.Errorf("the Service: %s", text)
	}
	k.Do(t, "PATCH", "/api/v1/namespaces/default/endpoints/demo", map[string]any{"subsets": []any{}})
	l, err = a.UpdateLeader(ctx, l)
	must("UpdateLeader", err)
	if got := string(lookAt(t, k, "endpoints/demo").Subsets); !strings.Contains(got, "10.1.2.3") {
		t.Errorf("subsets that somebody emptied are %q after a renewal", got)
	}
	must("ReleaseLeader", a.ReleaseLeader(ctx, l))
	leader = lookAt(t, k, "endpoints/demo")
	if _, ok := leader.Metadata.Annotations["leader"]; ok || strings.Contains(string(leader.Subsets), "10.1.2.3") || leader.Metadata.Annotations["optime"] != "5" {
		t.Errorf("after the release: %+v", leader)
	}
	must("Touch", a.Touch(ctx, dcs.Member{State: "running", Role: "primary"}))
	role("", "", "")
}

// A leader of the other program in the same cluster.
func TestForeignLeader(t *testing.T) {
	k := testenv.Kubernetes(t, testenv.KubernetesOptions{})
	a := openHere(t, k, Options{Name: "a"})
	labels := map[string]string{"application": "regent", "cluster-name": "demo"}
	const path = "/api/v1/namespaces/default/configmaps"
	record := map[string]any{"leader": "x", "acquireTime": "2026-11-23T07:00:00.5+00:00", "renewTime": "2026-11-23T07:00:00.5+00:00", "ttl": "2", "transitions": "7",
		"optime": "100", "slots": `{"x": 100}`}
	k.Do(t, "POST", path, map[string]any{"metadata": map[string]any{"name": "demo-leader", "labels": labels, "annotations": record}})
	k.Do(t, "POST", path, map[string]any{"metadata": map[string]any{"name": "demo-config", "labels": labels, "annotations": map[string]any{"config": "{}"}}})
	s, err := a.Read(t.Context())
	if err != nil || s.Leader == nil || s.Leader.Name != "x" || string(s.Documents[dcs.StatusKey].Value) != `{"optime":100,"slots":{"x":100}}` {
		t.Fatalf("%+v, %v", s, err)
	}
	for i := range 6 { // it is renewed: longer than its ttl
		record["renewTime"] = time.Now().Format(time.RFC3339Nano)
		k.Do(t, "PATCH", path+"/demo-leader", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"renewTime": record["renewTime"]}}})
		end := a.clock.Now().Add(600 * time.Millisecond)
		testenv.Eventually(t, 5*time.Second, "the next renewal", func() error {
			if s, err := a.Read(t.Context()); err != nil || s.Leader == nil {
				t.Fatalf("renewal %d: %+v, %v", i, s.Leader, err)
			}
			if a.clock.Now().Before(end) {
				return errMoved
			}
			return nil
		})
	}
	acquireHere(t, a)
	if got := lookAt(t, k, "configmaps/demo-leader").Metadata.Annotations; got["transitions"] != "8" || got["leader"] != "a" || got["optime"] != "100" {
		t.Errorf("%v", got)
	}
}
