package postgres

import "testing"

func TestLibpqVariable(t *testing.T) {
	for name, want := range map[string]bool{
		"PGHOST": true, "PGSERVICEFILE": true, "PGSSLMODE": true, "PGCONNECT_TIMEOUT": true, "PGTARGETSESSIONATTRS": true,
		"PGBACKREST_STANZA": false, "PG_OOM_ADJUST_FILE": false, "PATH": false, "": false,
	} {
		if got := LibpqVariable(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
