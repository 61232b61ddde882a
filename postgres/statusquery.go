package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// answer is what the one query of Status tells.
type answer struct {
	recovery  bool
	started   time.Time
	version   int
	timeline  Timeline // primary: that it writes
	flushed   LSN
	received  LSN
	replayed  LSN
	replayAt  time.Time
	paused    bool
	archive   bool // there is a restore_command
	loaded    time.Time
	receiver  *Receiver
	walsender []Walsender
	slots     []Slot
}

// since has the columns of the status query that depend on the server's version,
// the newest first: from that version on the second text stands for the third.
var since = []struct {
	version   int
	new, old  string
	parameter string
}{
	{170000, "s.failover", "false", "{failover}"},
	{130000, "s.wal_status", "''", "{wal_status}"},
	{130000, "w.flushed_lsn", "w.received_lsn", "{flushed_lsn}"},
}

const statusSQL = `
SELECT x.r, pg_postmaster_start_time(), current_setting('server_version_num')::int,
 CASE WHEN x.r THEN 0 ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END,
 CASE WHEN NOT x.r THEN pg_current_wal_flush_lsn()::text END,
 pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text, pg_last_xact_replay_timestamp(),
 CASE WHEN x.r THEN pg_is_wal_replay_paused() ELSE false END,
 current_setting('restore_command') <> '', pg_conf_load_time(),
 (SELECT json_build_object('status', w.status, 'timeline', w.received_tli, 'flushed', {flushed_lsn}::text,
   'latest', w.latest_end_lsn::text, 'host', w.sender_host, 'port', w.sender_port, 'slot', w.slot_name)
  FROM pg_stat_wal_receiver w LIMIT 1)::text,
 (SELECT json_agg(json_build_object('user', r.usename, 'application', r.application_name,
   'client', host(r.client_addr), 'state', r.state, 'sync_state', r.sync_state, 'priority', r.sync_priority,
   'sent', r.sent_lsn::text, 'written', r.write_lsn::text, 'flushed', r.flush_lsn::text,
   'replayed', r.replay_lsn::text) ORDER BY r.application_name, r.pid)
  FROM pg_stat_replication r)::text,
 (SELECT json_agg(json_build_object('name', s.slot_name, 'type', s.slot_type, 'plugin', s.plugin,
   'database', s.database, 'active', s.active, 'restart', s.restart_lsn::text,
   'confirmed', s.confirmed_flush_lsn::text, 'xmin', s.xmin IS NOT NULL,
   'wal_status', {wal_status}, 'failover', {failover}) ORDER BY s.slot_name)
  FROM pg_replication_slots s)::text
FROM (SELECT pg_is_in_recovery() AS r OFFSET 0) x`

// statusQuery is the status query for a server of that version.
func statusQuery(version int) string {
	query := statusSQL
	for _, c := range since {
		text := c.old
		if version >= c.version {
			text = c.new
		}
		query = strings.ReplaceAll(query, c.parameter, text)
	}
	return query
}

// ask runs the status query.
func ask(ctx context.Context, conn *pgx.Conn) (answer, error) {
	version, err := serverVersion(conn.PgConn().ParameterStatus("server_version"))
	if err != nil {
		return answer{}, err
	}
	var a answer
	var flushed, received, replayed, receiver, walsenders, slots *string
	var replayAt, loaded *time.Time
	err = conn.QueryRow(ctx, statusQuery(version)).Scan(&a.recovery, &a.started, &a.version, &a.timeline,
		&flushed, &received, &replayed, &replayAt, &a.paused, &a.archive, &loaded,
		&receiver, &walsenders, &slots)
	if err != nil {
		return answer{}, err
	}
	a.flushed, a.received, a.replayed = lsnOr0(flushed), lsnOr0(received), lsnOr0(replayed)
	if replayAt != nil {
		a.replayAt = *replayAt
	}
	if loaded != nil {
		a.loaded = *loaded
	}
	if err := a.decode(receiver, walsenders, slots); err != nil {
		return answer{}, fmt.Errorf("read the status query's answer: %w", err)
	}
	return a, nil
}

// decode reads the rows that came as JSON.
func (a *answer) decode(receiver, walsenders, slots *string) error {
	var w *struct {
		Status, Host, Slot string
		Timeline           Timeline
		Flushed, Latest    jsonLSN
		Port               int
	}
	var rows []struct {
		User, Application, Client, State string
		SyncState                        string `json:"sync_state"`
		Priority                         int
		Sent, Written, Flushed, Replayed jsonLSN
	}
	var slotRows []struct {
		Name, Type, Plugin, Database string
		Active, Xmin, Failover       bool
		Restart, Confirmed           jsonLSN
		WALStatus                    string `json:"wal_status"`
	}
	for _, part := range []struct {
		text *string
		into any
	}{{receiver, &w}, {walsenders, &rows}, {slots, &slotRows}} {
		if part.text == nil {
			continue
		}
		if err := json.Unmarshal([]byte(*part.text), part.into); err != nil {
			return err
		}
	}
	if w != nil {
		a.receiver = &Receiver{Streaming: w.Status == "streaming", Timeline: w.Timeline, Flushed: LSN(w.Flushed),
			LatestEnd: LSN(w.Latest), Host: w.Host, Port: w.Port, Slot: w.Slot}
	}
	for _, r := range rows {
		a.walsender = append(a.walsender, Walsender{User: r.User, Application: r.Application, Client: r.Client,
			State: r.State, SyncState: r.SyncState, SyncPriority: r.Priority,
			Sent: LSN(r.Sent), Written: LSN(r.Written), Flushed: LSN(r.Flushed), Replayed: LSN(r.Replayed)})
	}
	for _, r := range slotRows {
		a.slots = append(a.slots, Slot{Name: r.Name, Type: r.Type, Plugin: r.Plugin, Database: r.Database,
			Active: r.Active, RestartLSN: LSN(r.Restart), Confirmed: LSN(r.Confirmed), Xmin: r.Xmin,
			WALStatus: r.WALStatus, Failover: r.Failover})
	}
	return nil
}

// jsonLSN reads a position from JSON; null is zero.
type jsonLSN LSN

func (l *jsonLSN) UnmarshalText(text []byte) error {
	lsn, err := ParseLSN(string(text))
	*l = jsonLSN(lsn)
	return err
}

func lsnOr0(text *string) LSN {
	if text == nil {
		return 0
	}
	lsn, _ := ParseLSN(*text)
	return lsn
}

// serverVersion reads server_version, as "15.20 (Debian ...)" or "18beta1", as
// a number like server_version_num's, exact to the major version.
func serverVersion(text string) (int, error) {
	digits := text
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = text[:i]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("the server's version %q isn't understood", text)
	}
	return major * 10000, nil
}
