package postgres

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

// newest lets a server be one of the newest major.
func newest(t *testing.T, change func(*Settings)) func(*Options, *Settings) {
	return func(o *Options, s *Settings) {
		o.BinDir = testenv.MajorBin(t, testenv.NewestMajor)
		if change != nil {
			change(s)
		}
	}
}

// A slot that was idle for too long (from 18 on) is lost, and made anew like one
// whose WAL is gone.
func TestIdleSlotIsMadeAnew(t *testing.T) {
	p := newServer(t, "p1", newest(t, func(s *Settings) { s.Parameters["idle_replication_slot_timeout"] = "1s" }))
	ctx := testContext(t)
	must(t, p.Bootstrap(ctx))
	must(t, p.StartPrimary(ctx, permit()))
	p.await("primary", runs(RolePrimary))
	must(t, p.PostBootstrap(ctx))
	must(t, p.SyncSlots(ctx, []WantedSlot{{Name: "a"}}, nil))
	const status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'a'"
	testenv.Eventually(t, limit, "the slot to be lost", func() error {
		p.sql("CHECKPOINT")
		if got := p.text(status); got != "lost" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	st := p.Status(ctx)
	if len(st.Slots) != 1 || st.Slots[0].WALStatus != "lost" {
		t.Errorf("the status says %+v", st.Slots)
	}
	must(t, p.SyncSlots(ctx, []WantedSlot{{Name: "a"}}, nil))
	if got := p.text(status); got != "reserved" {
		t.Errorf("the slot is %s", got)
	}
}

// A library takes the place of archive_command from 15 on: what waits for it is
// not archived by the command.
func TestNoCommandBesideArchiveLibrary(t *testing.T) {
	p := newServer(t, "p1", newest(t, nil))
	ctx := testContext(t)
	must(t, p.Bootstrap(ctx))
	conf, err := os.OpenFile(p.mainConf(), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = conf.WriteString("archive_mode = on\narchive_library = 'basic_archive'\n")
	must(t, err)
	must(t, conf.Close())
	if command, err := p.archiveCommand(ctx); err == nil || !strings.Contains(err.Error(), `archive_library ("basic_archive")`) {
		t.Errorf("got %q, %v", command, err)
	}
}
