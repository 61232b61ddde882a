package dcs

import (
	"strings"
	"testing"
	"time"
)

func TestPath(t *testing.T) {
	for want, p := range map[string]Path{
		"/service/demo":   {Scope: "demo"},
		"/db/demo":        {Namespace: "/db/", Scope: "demo"},
		"/db/x/demo":      {Namespace: "//db///x//", Scope: "/demo/"},
		"/service/demo/0": {Namespace: "/", Scope: "demo", Group: ptr(0)},
	} {
		if got := p.String(); got != want || p.Prefix() != want+"/" {
			t.Errorf("%+v: %s with prefix %s, want %s", p, got, p.Prefix(), want)
		}
	}
}

func TestSlotName(t *testing.T) {
	for member, want := range map[string]string{
		"node-0": "node_0", "Node.1": "node_1", "a b": "au0032b", "ü": "u0252", "\U0001f418": "u128024",
		strings.Repeat("x", 70): strings.Repeat("x", 63),
	} {
		if got := SlotName(member); got != want {
			t.Errorf("%q: %s, want %s", member, got, want)
		}
	}
}

func TestTags(t *testing.T) {
	for name, c := range map[string]struct {
		tags       Tags
		failover   int
		sync       int
		noFailover bool
	}{
		"none":               {nil, 1, 1, false},
		"nofailover":         {Tags{"nofailover": true}, 0, 1, true},
		"nofailover as text": {Tags{"nofailover": "on"}, 0, 1, true},
		"priority":           {Tags{"failover_priority": 7, "sync_priority": "3"}, 7, 3, false},
		"priority 0":         {Tags{"failover_priority": 0, "sync_priority": -1}, 0, 0, true},
		"both, never wins":   {Tags{"nofailover": true, "failover_priority": 5, "nosync": 1}, 0, 0, true},
		"both, may wins":     {Tags{"nofailover": false, "failover_priority": 0}, 1, 1, false},
		"garbage":            {Tags{"nofailover": []any{1}, "failover_priority": "x"}, 1, 1, false},
		"null":               {Tags{"nofailover": nil, "failover_priority": nil}, 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.tags.FailoverPriority() != c.failover || c.tags.SyncPriority() != c.sync || c.tags.NoFailover() != c.noFailover || c.tags.NoSync() != (c.sync == 0) {
				t.Errorf("%v: failover %d, sync %d", c.tags, c.tags.FailoverPriority(), c.tags.SyncPriority())
			}
		})
	}
	tags := Tags{"clonefrom": "yes", "noloadbalance": 1, "nostream": "off", "replicatefrom": "b", "list": []any{}}
	if !tags.CloneFrom() || !tags.NoLoadBalance() || tags.NoStream() || tags.ReplicateFrom() != "b" || tags.String("list") != "" {
		t.Errorf("got %v", tags)
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 11, 23, 1, 40, 7, 0, time.UTC)
	for _, text := range []string{
		"2026-11-23T01:40:07+00:00", "2026-11-23T01:40:07Z", "2026-11-23 01:40:07+00", "2026-11-23 03:40:07 +02:00",
		"2026-11-23T01:40:07.000+0000", "2026-11-23 01:40:07 UTC", " 20261123T014007Z ",
	} {
		if got, err := ParseTime(text); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "now", "2026-11-23T01:40:07", "2026-11-23", "99", strings.Repeat("2", 100)} {
		if got, err := ParseTime(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
