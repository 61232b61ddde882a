package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/regent-ha/regent/internal/testenv"
)

// What we read of a control file is what pg_controldata prints, whatever the
// server is doing.
func TestControlFileIsReadAsPgControldataDoes(t *testing.T) {
	p := testenv.NewPostgres(t)
	compare := func(when, state string) {
		t.Helper()
		file, err := os.ReadFile(filepath.Join(p.Dir, "global", "pg_control"))
		must(t, err)
		got, err := decodeControl(file)
		must(t, err)
		want, err := runControldata(testContext(t), filepath.Join(p.Bin, "pg_controldata"), p.Dir)
		must(t, err)
		if got != want || got.State != state {
			t.Errorf("%s:\n got %+v\nwant %+v, %s", when, got, want, state)
		}
	}
	compare("new", shutDown)
	p.Append("postgresql.conf", "max_connections = 33\nmax_worker_processes = 5\nmax_wal_senders = 7\nmax_prepared_transactions = 2\nmax_locks_per_transaction = 77\nwal_log_hints = on\n")
	p.Start()
	p.Query("CHECKPOINT")
	compare("running", inProduction)
	p.Stop()
	p.Append("standby.signal", "")
	p.Start()
	compare("as a standby", inArchiveRecovery)
	p.Stop()
	compare("stopped as a standby", shutDownInRecovery)
}

// The same on every major, by what the server itself says.
func TestControlFileOfMajors(t *testing.T) {
	for major := testenv.OldestMajor; major <= testenv.NewestMajor; major++ {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			p := testenv.NewPostgresOf(t, major)
			p.Append("postgresql.conf", "max_connections = 101\nmax_worker_processes = 9\nwal_log_hints = on\n")
			p.Start()
			p.Query("CHECKPOINT")
			file, err := os.ReadFile(filepath.Join(p.Dir, "global", "pg_control"))
			must(t, err)
			c, err := decodeControl(file)
			must(t, err)
			for _, field := range []struct{ name, got, sql string }{
				{"system identifier", c.SystemID, "system_identifier FROM pg_control_system()"},
				{"catalog version", strconv.Itoa(c.CatalogVersion), "catalog_version_no FROM pg_control_system()"},
				{"checkpoint", c.CheckpointLSN.String(), "checkpoint_lsn FROM pg_control_checkpoint()"},
				{"timeline", strconv.Itoa(int(c.CheckpointTimeline)), "timeline_id FROM pg_control_checkpoint()"},
				{"minimum recovery point", c.MinRecoveryLSN.String(), "min_recovery_end_lsn FROM pg_control_recovery()"},
				{"its timeline", strconv.Itoa(int(c.MinRecoveryTimeline)), "min_recovery_end_timeline FROM pg_control_recovery()"},
				{"WAL block", strconv.Itoa(c.WALBlockSize), "wal_block_size FROM pg_control_init()"},
				{"WAL segment", strconv.Itoa(c.WALSegmentSize), "bytes_per_wal_segment FROM pg_control_init()"},
				{"checksums", strconv.FormatBool(c.DataChecksums), "CASE data_page_checksum_version WHEN 0 THEN 'false' ELSE 'true' END FROM pg_control_init()"},
				{"wal_log_hints", onOff(c.WALLogHints), "current_setting('wal_log_hints')"},
				{"max_connections", strconv.Itoa(c.MaxConnections), "current_setting('max_connections')"},
				{"max_worker_processes", strconv.Itoa(c.MaxWorkerProcesses), "current_setting('max_worker_processes')"},
				{"max_wal_senders", strconv.Itoa(c.MaxWALSenders), "current_setting('max_wal_senders')"},
				{"max_prepared_transactions", strconv.Itoa(c.MaxPreparedTransactions), "current_setting('max_prepared_transactions')"},
				{"max_locks_per_transaction", strconv.Itoa(c.MaxLocksPerTransaction), "current_setting('max_locks_per_transaction')"},
			} {
				if want := p.Query("SELECT " + field.sql); field.got != want {
					t.Errorf("%s: got %q, the server says %q", field.name, field.got, want)
				}
			}
			if c.State != inProduction {
				t.Errorf("state %q", c.State)
			}
			testCheckpointRecord(t, p, major)
		})
	}
}

// testCheckpointRecord: the record of the shutdown's checkpoint is the last thing
// in the WAL, and the next one begins where we say that it ends.
func testCheckpointRecord(t *testing.T, p *testenv.Postgres, major int) {
	t.Helper()
	p.Stop()
	s, err := New(Options{Name: "a", DataDir: p.Dir, BinDir: p.Bin}, Settings{Listen: "127.0.0.1:1"})
	must(t, err)
	t.Cleanup(s.Close)
	control, err := s.readControl(testContext(t))
	must(t, err)
	end, err := s.checkpointEnd(control)
	must(t, err)
	if control.State != shutDown || end <= control.CheckpointLSN {
		t.Errorf("state %q, the record goes from %s to %s", control.State, control.CheckpointLSN, end)
	}
	moved := *control
	moved.CheckpointLSN -= walAlignment
	if at, err := s.checkpointEnd(&moved); !errors.Is(err, errNoCheckpoint) {
		t.Errorf("where no record begins: %s, %v", at, err)
	}
	p.Append("standby.signal", "") // without a word of its own in the WAL
	p.Start()
	if got := p.Query("SELECT pg_last_wal_replay_lsn()"); got != end.String() {
		t.Errorf("PostgreSQL %d has replayed up to %s, not %s", major, got, end)
	}
}

func TestControlFileThatCantBeRead(t *testing.T) {
	p := testenv.NewPostgres(t)
	file, err := os.ReadFile(filepath.Join(p.Dir, "global", "pg_control"))
	must(t, err)
	damage := func(at int) []byte {
		damaged := append([]byte(nil), file...)
		damaged[at] ^= 1
		return damaged
	}
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"a bit is wrong", damage(controlCheckpoint), errControlChecksum},
		{"the checksum is wrong", damage(controlChecksum[1300]), errControlChecksum},
		{"of another version", damage(controlVersion), errControlLayout},
		{"of another machine", damage(controlAlignment), errControlLayout},
		{"cut off", file[:100], errControlLayout},
		{"empty", nil, errControlLayout},
	} {
		if got, err := decodeControl(c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	// What isn't known is left to pg_controldata, whose answer is kept.
	c := controlFile{program: filepath.Join(p.Bin, "pg_controldata"), dataDir: p.Dir}
	must(t, os.WriteFile(filepath.Join(p.Dir, "global", "pg_control"), damage(controlVersion), 0o600))
	if control, err := c.read(testContext(t)); !errors.Is(err, errControlChecksum) {
		t.Errorf("%+v, %v", control, err)
	}
	c.program += "-that-is-not-there"
	if control, err := c.read(testContext(t)); !errors.Is(err, errControlLayout) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v, %v", control, err)
	}
}
