package postgres

import (
	"fmt"
	"strings"
	"testing"
)

// slots are the names, restart positions and whether they are used.
func (f *fixture) slots() string {
	f.t.Helper()
	return f.text("SELECT coalesce(string_agg(slot_name || CASE WHEN active THEN '*' ELSE '' END, ' ' ORDER BY slot_name), '') FROM pg_replication_slots")
}

func (f *fixture) restartLSN(slot string) LSN {
	f.t.Helper()
	at, err := ParseLSN(f.text(fmt.Sprintf("SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '%s'", slot)))
	must(f.t, err)
	return at
}

func TestSyncSlotsOnPrimaryAndStandby(t *testing.T) {
	p, r := pair(t, func(_ *Options, s *Settings) { s.Parameters["wal_level"] = "logical" })
	ctx := testContext(t)
	p.sql("SELECT pg_create_logical_replication_slot('logic', 'test_decoding')", "SELECT pg_create_physical_replication_slot('theirs')")
	for _, f := range []*fixture{p, r} {
		must(t, f.SyncSlots(ctx, []WantedSlot{{Name: "a"}, {Name: "b"}}, []string{"nobody"}))
	}
	if got := p.slots(); got != "a b logic r1* theirs" {
		t.Errorf("primary: %s", got)
	}
	if got := r.slots(); got != "a b" {
		t.Errorf("standby: %s", got)
	}
	p.sql("INSERT INTO t SELECT generate_series(1, 1000)")
	p.catchUp(r)
	for _, f := range []*fixture{p, r} {
		at := f.restartLSN("a")
		to := f.Status(ctx).Location
		if at == 0 || to <= at {
			t.Fatalf("at %s, to %s", at, to)
		}
		must(t, f.SyncSlots(ctx, []WantedSlot{{Name: "a", Advance: to}, {Name: "b", Advance: 1}}, nil))
		if got := f.restartLSN("a"); got != to {
			t.Errorf("%s: advanced to %s, not to %s", f.options.Name, got, to)
		}
		if got := f.restartLSN("b"); got >= to {
			t.Errorf("%s: b moved to %s", f.options.Name, got)
		}
		// Farther than the server itself, and back: no error, no harm.
		must(t, f.SyncSlots(ctx, []WantedSlot{{Name: "a", Advance: to + 1<<40}}, nil))
		must(t, f.SyncSlots(ctx, []WantedSlot{{Name: "a", Advance: 1}}, nil))
	}
	// In use and logical ones stay, whoever says that they are gone.
	must(t, p.SyncSlots(ctx, nil, []string{"a", "b", "r1", "logic"}))
	if got := p.slots(); got != "logic r1* theirs" {
		t.Errorf("primary: %s", got)
	}
	err := p.SyncSlots(ctx, []WantedSlot{{Name: "No good"}, {Name: "logic"}, {Name: "c"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `"No good"`) || !strings.Contains(err.Error(), `"logic"`) {
		t.Errorf("got %v", err)
	}
	if got := p.slots(); got != "c logic r1* theirs" {
		t.Errorf("an error stopped the rest: %s", got)
	}
}

func TestLostSlotIsMadeAnew(t *testing.T) {
	p := newReplicable(t, "p1", func(_ *Options, s *Settings) {
		s.Parameters["max_slot_wal_keep_size"] = "1MB"
		s.Parameters["wal_keep_size"] = "16MB"
		s.Parameters["max_wal_size"] = "32MB"
		s.Parameters["min_wal_size"] = "32MB"
	})
	ctx := testContext(t)
	must(t, p.SyncSlots(ctx, []WantedSlot{{Name: "a"}}, nil))
	p.sql("CREATE TABLE t (i int)")
	for range 8 {
		p.sql("INSERT INTO t VALUES (1)", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	const status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'a'"
	if got := p.text(status); got != "lost" {
		t.Fatalf("the slot is %s", got)
	}
	must(t, p.SyncSlots(ctx, []WantedSlot{{Name: "a"}}, nil))
	if got := p.text(status); got != "reserved" {
		t.Errorf("the slot is %s", got)
	}
}
