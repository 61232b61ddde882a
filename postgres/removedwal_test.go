package postgres

import "testing"

func keepNoWAL(_ *Options, s *Settings) {
	if s.Parameters == nil {
		s.Parameters = map[string]string{}
	}
	s.Parameters["wal_keep_size"] = "0"
}

// A standby that was down learns that the primary has removed the WAL that comes
// next, and not before it has.
func TestCompareFindsRemovedWAL(t *testing.T) {
	p := newPrimary(t, keepNoWAL)
	r := newStandby(t, p, "r1", keepNoWAL)
	r.stop()
	if a := r.compareWith(p); a.Diverged || a.Missing != 0 {
		t.Errorf("nothing was removed: %+v", a)
	}
	end := r.Status(testContext(t)).Location
	for range 3 {
		p.sql("CREATE TABLE w AS SELECT 1", "DROP TABLE w", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	a := r.compareWith(p)
	if a.Diverged || a.Missing < end {
		t.Errorf("the WAL from %s on was removed: %+v", end, a)
	}
}
