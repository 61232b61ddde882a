package dcs

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseCluster parses any value under every key. Nothing may panic, what was
// parsed can be encoded, that is ASCII, parses to the same again, and keeps the
// fields that nobody knows.
func FuzzParseCluster(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `0`, `"1"`, `{"unknown":{"a":[1,"\u00fc\ud800"]}}`, `[[1,2,"x","t","l",{"y":1}]]`,
		`{"leader":"a","member":"b","scheduled_at":"2026-11-23T01:40:07+00:00","later":1}`,
		`{"leader":"a","quorum":1,"sync_standby":"b,c","x":null}`,
		`{"optime":1,"slots":"{\"a\":1}","retain_slots":["a"],"x":1.50}`,
		`{"conn_url":"c","tags":{"a":1e400},"pending_restart":true,"xlog_location":"5","x":"` + "\xff\x7f" + `"}`,
		`postgres://a:b@c/d?application_name=e`, `a:b`, `7711159760801012928`, `{"a":"http://x"}`,
	} {
		f.Add([]byte(seed))
	}
	keys := []Key{ConfigKey, InitializeKey, FailoverKey, StatusKey, HistoryKey, SyncKey, FailsafeKey, OptimeKey, MemberKey("a")}
	f.Fuzz(func(t *testing.T, value []byte) {
		docs := map[Key]Document{}
		for _, key := range keys {
			docs[key] = Document{Value: value, Version: "1"}
		}
		c := ParseCluster(Snapshot{Documents: docs})
		if len(c.Members) != 1 {
			t.Fatalf("%d members", len(c.Members))
		}
		for _, key := range []Key{ConfigKey, FailoverKey, StatusKey, HistoryKey, SyncKey, FailsafeKey, MemberKey("a")} {
			encoded := marshal(t, key, c)
			for _, b := range []byte(encoded) {
				if b < ' ' || b > '~' {
					t.Fatalf("%s: %q isn't ASCII", key, encoded)
				}
			}
			docs[key] = Document{Value: []byte(encoded), Version: "1"}
		}
		again := ParseCluster(Snapshot{Documents: docs})
		for _, key := range []Key{ConfigKey, FailoverKey, StatusKey, HistoryKey, SyncKey, FailsafeKey, MemberKey("a")} {
			if diff := cmp.Diff(marshal(t, key, c), marshal(t, key, again)); diff != "" {
				t.Errorf("%s changes when it is parsed again: -once +twice:\n%s", key, diff)
			}
		}
		for what, extras := range map[string][2]map[string]json.RawMessage{
			"member": {c.Members[0].Extra, again.Members[0].Extra}, "status": {c.Status.Extra, again.Status.Extra},
			"sync": {c.Sync.Extra, again.Sync.Extra}, "failover": {c.Failover.Extra, again.Failover.Extra},
		} {
			if len(extras[0]) != len(extras[1]) {
				t.Errorf("%s: of the unknown fields %v these are left: %v", what, extras[0], extras[1])
			}
		}
	})
}
