package testenv

import (
	"syscall"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestPostgres(t *testing.T) {
	a, b := NewPostgres(t), NewPostgres(t)
	a.Start()
	b.Start("-c", "work_mem=5MB")
	if got := b.Query("SHOW work_mem"); got != "5MB" {
		t.Errorf("work_mem is %q", got)
	}
	a.Query("CREATE TABLE t (i int)")
	a.Stop()
	if err := syscall.Kill(a.PID(), 0); err == nil {
		t.Error("it still runs")
	}
	a.Start()
	if got := a.Query("SELECT count(*) FROM t"); got != "0" {
		t.Errorf("got %q", got)
	}
}
