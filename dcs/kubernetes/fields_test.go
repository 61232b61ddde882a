package kubernetes

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regent-ha/regent/dcs"
)

// put writes a document into annotations as the server would.
func put(t interface{ Fatal(...any) }, key dcs.Key, value []byte, annotations map[string]string) {
	p, err := writeDocument(key, value, "m", annotations)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range p {
		if v == nil {
			delete(annotations, name)
			continue
		}
		annotations[name] = v.(string)
	}
}

func TestFieldsAsTheOthersHaveThem(t *testing.T) {
	for _, test := range []struct {
		key   dcs.Key
		value string
		want  map[string]string // beside the version's mark
	}{
		{dcs.StatusKey, `{"optime":67108864,"slots":{"node_1":67108864},"retain_slots":["node_0","node_1"],"current_site":"north"}`,
			map[string]string{"optime": "67108864", "slots": `{"node_1":67108864}`, "retain_slots": `["node_0", "node_1"]`, "current_site": "north"}},
		{dcs.FailoverKey, `{"leader":"a","member":"b","scheduled_at":"2026-11-23T01:40:07+00:00"}`,
			map[string]string{"leader": "a", "member": "b", "scheduled_at": "2026-11-23T01:40:07+00:00"}},
		{dcs.FailoverKey, `{}`, map[string]string{"regent/value.failover": `{}`}},
		{dcs.SyncKey, `{"leader":"a","quorum":1,"sync_standby":"b,c"}`, map[string]string{"leader": "a", "quorum": "1", "sync_standby": "b,c"}},
		{dcs.SyncKey, `{"leader":"a","quorum":0,"sync_standby":null}`, map[string]string{"leader": "a", "quorum": "0"}},
		{dcs.FailsafeKey, `{"a":"http://a:8008/patroni"}`, map[string]string{"failsafe": `{"a":"http://a:8008/patroni"}`}},
		{dcs.InitializeKey, ``, map[string]string{"initialize": ""}},
		{dcs.StatusKey, `67108864`, map[string]string{"regent/value.status": "67108864"}},
		{dcs.StatusKey, `{"optime":1,"leader":"x"}`, map[string]string{"optime": "1", "regent/value.status": `{"optime":1,"leader":"x"}`}},
	} {
		annotations := map[string]string{}
		put(t, test.key, []byte(`{"leader":"old","optime":7,"x":"y"}`), annotations)
		put(t, test.key, []byte(test.value), annotations)
		doc, ok := readDocument(test.key, annotations)
		if !ok || string(doc.Value) != test.value {
			t.Errorf("%s %s came back as %s", test.key, test.value, doc.Value)
		}
		delete(annotations, "regent/version."+string(test.key))
		if diff := cmp.Diff(test.want, annotations); diff != "" {
			t.Errorf("%s %s: %s", test.key, test.value, diff)
		}
	}
}

// What others change counts, not what we kept.
func TestFieldsChangedByOthers(t *testing.T) {
	annotations := map[string]string{}
	put(t, dcs.FailoverKey, []byte(`{}`), annotations)
	before, _ := readDocument(dcs.FailoverKey, annotations)
	annotations["member"] = "b"
	doc, ok := readDocument(dcs.FailoverKey, annotations)
	if !ok || string(doc.Value) != `{"member":"b"}` || doc.Version == before.Version {
		t.Errorf("%s at %s, before at %s", doc.Value, doc.Version, before.Version)
	}
	annotations = map[string]string{"leader": "a", "quorum": "x", "sync_standby": ""}
	if doc, _ := readDocument(dcs.SyncKey, annotations); string(doc.Value) != `{"leader":"a","quorum":"x","sync_standby":""}` {
		t.Errorf("%s", doc.Value)
	}
}

func TestEveryValueComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]dcs.Key{dcs.StatusKey, dcs.FailoverKey, dcs.SyncKey, dcs.ConfigKey, dcs.FailsafeKey}).Draw(t, "key")
		name := rapid.SampledFrom([]string{"leader", "member", "optime", "slots", "retain_slots", "quorum", "sync_standby", "ttl", "x", "a/b", "ü", ""})
		value := rapid.OneOf(
			rapid.Just[any](nil), rapid.Just[any](true), rapid.Custom(func(t *rapid.T) any { return rapid.Int().Draw(t, "n") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOf(rapid.String()).Draw(t, "l") }),
			rapid.SampledFrom([]any{"{}", "[1]", "5", map[string]any{"a": 1}}),
		)
		annotations := map[string]string{"endpoints.kubernetes.io/x": "y"}
		for range rapid.IntRange(1, 3).Draw(t, "writes") {
			text, err := json.Marshal(rapid.MapOf(name, value).Draw(t, "value"))
			if rapid.Bool().Draw(t, "raw") {
				text, err = []byte(rapid.String().Draw(t, "text")), nil
			}
			if err != nil {
				t.Fatal(err)
			}
			put(t, key, text, annotations)
			if doc, ok := readDocument(key, annotations); !ok || string(doc.Value) != string(text) {
				t.Fatalf("%q came back as %q (%v)", text, doc.Value, ok)
			}
		}
		put(t, key, nil, annotations)
		if diff := cmp.Diff(map[string]string{"endpoints.kubernetes.io/x": "y"}, annotations); diff != "" {
			t.Fatal(diff)
		}
	})
}
