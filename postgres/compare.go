package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Definite answers of Compare, Rewind and CanRewind.
var (
	// ErrNeedsRecovery: the server wasn't stopped in order; only crash recovery
	// tells where its WAL ends, and makes a rewind possible.
	ErrNeedsRecovery = errors.New("it wasn't shut down in order and needs crash recovery first")
	// ErrNotPrimary: the other server is a standby, and what its WAL will become isn't decided.
	ErrNotPrimary = errors.New("it is in recovery: only a primary's history counts")
	// ErrForeignSystem: the other server is of another cluster (system identifier).
	ErrForeignSystem = errors.New("it has another system identifier")
)

// Compare says whether our WAL is on the history of the primary at up. The
// server may run as a standby or be stopped in order: else ErrNeedsRecovery.
//
// What a stopped standby has received and not replayed isn't looked at: it
// replays that at its next start, and is then compared again.
func (s *Server) Compare(ctx context.Context, up Upstream) (Ancestry, error) {
	a, err := s.compare(ctx, up)
	if err != nil {
		return Ancestry{}, fmt.Errorf("postgres: compare our WAL with %s: %w", up.Name, err)
	}
	return a, nil
}

func (s *Server) compare(ctx context.Context, up Upstream) (Ancestry, error) {
	control, err := s.control.read(ctx)
	if err != nil {
		return Ancestry{}, err
	}
	ours, err := s.branch(ctx, control) // before theirs: see compareHistory
	if err != nil {
		return Ancestry{}, err
	}
	settings := s.current()
	if err := checkPrimary(ctx, settings, up); err != nil {
		return Ancestry{}, err
	}
	r, err := dialReplication(ctx, settings, settings.Replication, up.Host, up.Port)
	if err != nil {
		return Ancestry{}, err
	}
	defer r.close(ctx)
	theirs, err := r.branch(ctx, control.SystemID)
	if err != nil {
		return Ancestry{}, err
	}
	a := compareHistory(ours, theirs)
	if a.Diverged {
		return a, nil
	}
	return s.sameWAL(ctx, r, ours, control, a)
}

// checkPrimary asks by SQL, since a replication connection can't on all versions.
func checkPrimary(ctx context.Context, settings Settings, up Upstream) error {
	config, err := settings.connConfig(settings.rewindCredentials(), up.Host, up.Port, nil)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var recovery bool
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovery); err != nil {
		return err
	}
	if recovery {
		return ErrNotPrimary
	}
	return nil
}

// branch is the server's WAL as it says itself.
func (r replication) branch(ctx context.Context, systemID string) (branch, error) {
	id, err := r.identify(ctx)
	if err != nil {
		return branch{}, err
	}
	if id.systemID != systemID {
		return branch{}, fmt.Errorf("%w: %s, ours is %s", ErrForeignSystem, id.systemID, systemID)
	}
	history, err := r.history(ctx, id.timeline)
	if err != nil {
		return branch{}, err
	}
	return branch{history: history, timeline: id.timeline, end: id.flushed}, nil
}

// branch is our own WAL, of a running standby or a stopped server.
func (s *Server) branch(ctx context.Context, control *Control) (branch, error) {
	running, err := s.serverProcesses()
	if err != nil {
		return branch{}, err
	}
	var b branch
	switch {
	case len(running) == 0:
		b.timeline, b.end, err = s.stoppedAt(ctx, control)
	case control.State == inProduction:
		err = errors.New("our own server runs as a primary: only a standby or a stopped one can be compared")
	default:
		b.timeline, b.end, err = s.replayed(ctx)
	}
	if err != nil {
		return branch{}, err
	}
	b.history, err = s.History(ctx, b.timeline)
	return b, err
}

// replayed is where our running standby's WAL ends. By SQL a standby tells its
// position but not the timeline of it, and a wrong pair would look diverged;
// IDENTIFY_SYSTEM tells both.
func (s *Server) replayed(ctx context.Context) (Timeline, LSN, error) {
	r, err := s.dialSelf(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask our own server: %w", err)
	}
	defer r.close(ctx)
	id, err := r.identify(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask our own server: %w", err)
	}
	return id.timeline, id.flushed, nil
}

// dialSelf is a replication connection to our own server, by the role for it or
// else, where pg_hba.conf doesn't let that in from here, as superuser.
func (s *Server) dialSelf(ctx context.Context) (replication, error) {
	settings := s.current()
	settings.UseUnixSocket = settings.UseUnixSocketRepl
	host, port, err := s.address(settings)
	if err != nil {
		return replication{}, err
	}
	r, err := dialReplication(ctx, settings, settings.Replication, host, port)
	if err == nil || settings.Superuser.Username == "" {
		return r, err
	}
	if r, errSuper := dialReplication(ctx, settings, settings.Superuser, host, port); errSuper == nil {
		return r, nil
	}
	return replication{}, err
}

// stoppedAt is where the WAL of our stopped server ends.
//
// A primary that was shut down wrote the record of a checkpoint last; a standby
// that received all of it and is then promoted leaves the timeline right after
// that record, so its end counts, not its start. A standby ends where it must
// at least recover to again. Where that is the start of its checkpoint's record
// it was a primary before and has replayed nothing since.
func (s *Server) stoppedAt(ctx context.Context, c *Control) (Timeline, LSN, error) {
	switch c.State {
	case shutDown, shutDownInRecovery, inArchiveRecovery:
	default:
		return 0, 0, fmt.Errorf("%w (its control file says %q)", ErrNeedsRecovery, c.State)
	}
	if c.State != shutDown && c.MinRecoveryTimeline >= c.CheckpointTimeline && c.MinRecoveryLSN > c.CheckpointLSN {
		return c.MinRecoveryTimeline, c.MinRecoveryLSN, nil
	}
	end, err := s.checkpointEnd(ctx, c)
	return c.CheckpointTimeline, end, err
}

// walTail is how much of our WAL's end sameWAL compares.
const walTail = 64 << 10

// sameWAL compares the last bytes of our WAL with theirs at the same place. Two
// servers promoted by hand from the same position have the same timelines and
// the same histories, but not the same records: those carry times, transaction
// numbers and checksums.
func (s *Server) sameWAL(ctx context.Context, r replication, ours branch, c *Control, a Ancestry) (Ancestry, error) {
	from := max(ours.begin(), ours.end-min(ours.end, walTail))
	from, own, err := s.readWAL(ours.timeline, from, ours.end, c.WALSegmentSize)
	if err != nil {
		return Ancestry{}, err
	}
	if len(own) == 0 {
		return a, nil // nothing on this timeline yet, or fetched from an archive and removed since
	}
	other, err := r.wal(ctx, ours.timeline, from, ours.end)
	switch {
	case isSQLState(err, undefinedFile):
		a.Reason += "; it has no WAL from there any more to compare ours with"
		return a, nil
	case err != nil:
		return Ancestry{}, err
	case !bytes.Equal(own, other):
		return Ancestry{Diverged: true, Fork: ours.begin(),
			Reason: fmt.Sprintf("both are on timeline %d with the same history, but the WAL before %s isn't the same: both were promoted by themselves", ours.timeline, ours.end)}, nil
	}
	return a, nil
}
