package lab

import "context"

// Writable says whether PostgreSQL there takes writes. An error says that it
// doesn't answer.
func (n *Node) Writable(ctx context.Context) (bool, error) {
	var recovery bool
	err := n.query(ctx, "select pg_is_in_recovery()", &recovery)
	return err == nil && !recovery, err
}

// Streaming are the names of the standbys that stream from the node.
func (n *Node) Streaming(ctx context.Context) (names []string, err error) {
	err = n.query(ctx, "select coalesce(array_agg(application_name), '{}') from pg_stat_replication where state = 'streaming'", &names)
	return names, err
}

// Report is what a node's PostgreSQL says of itself.
type Report struct {
	Primary   bool
	Streaming bool // it is a standby that receives WAL now
	Timeline  uint32
	Position  int64 // bytes of WAL: written, or received
}

// Report asks PostgreSQL, past any link.
func (n *Node) Report(ctx context.Context) (r Report, err error) {
	var recovery bool
	var timeline int32
	err = n.query(ctx, `select pg_is_in_recovery(),
		exists (select from pg_stat_wal_receiver where status = 'streaming'),
		case when pg_is_in_recovery() then coalesce((select received_tli from pg_stat_wal_receiver), (select timeline_id from pg_control_checkpoint()))
		     else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end,
		(case when pg_is_in_recovery() then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) else pg_current_wal_lsn() end - '0/0')::bigint`,
		&recovery, &r.Streaming, &timeline, &r.Position)
	r.Primary, r.Timeline = err == nil && !recovery, uint32(timeline)
	return r, err
}
