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
	c, err := s.compare(ctx, up)
	if err != nil {
		return Ancestry{}, fmt.Errorf("postgres: compare our WAL with %s: %w", up.Name, err)
	}
	return c.Ancestry, nil
}

// comparison is an Ancestry and what it was found by.
type comparison struct {
	Ancestry
	ours, theirs branch
	twins        bool // the histories agree, and the WAL doesn't
}

func (s *Server) compare(ctx context.Context, up Upstream) (comparison, error) {
	control, err := s.control.read(ctx)
	if err != nil {
		return comparison{}, err
	}
	ours, err := s.branch(ctx, control) // before theirs: see compareHistory
	if err != nil {
		return comparison{}, err
	}
	settings := s.Settings()
	if err := checkPrimary(ctx, settings, up); err != nil {
		return comparison{}, err
	}
	r, err := dialReplication(ctx, settings, settings.Replication, up.Host, up.Port)
	if err != nil {
		return comparison{}, err
	}
	defer r.close(ctx)
	theirs, err := r.branch(ctx, control.SystemID)
	if err != nil {
		return comparison{}, err
	}
	c := comparison{Ancestry: compareHistory(ours, theirs), ours: ours, theirs: theirs}
	common := ours.upTo(c.Fork)
	same, err := s.sameWAL(ctx, r, common, control.WALSegmentSize)
	switch {
	case err != nil:
		return comparison{}, err
	case same == walDiffers:
		c.twins = true
		c.Ancestry = Ancestry{Diverged: true, Fork: common.begin(),
			Reason: fmt.Sprintf("by their histories both are the same up to %s on timeline %d, but the WAL before that differs: each was promoted by itself", common.end, common.timeline)}
	case same == walUnknown:
		c.Reason += "; it has no WAL from there any more to compare ours with"
	}
	if !c.Diverged && ours.end < theirs.end {
		c.Missing, err = lacks(ctx, settings, up, ours, control.WALSegmentSize)
	}
	return c, err
}

// lacks is where the WAL begins that follows ours, if the server at up has
// removed it; 0: it has it. Segments are removed oldest first, and a standby asks
// from the beginning of one.
func lacks(ctx context.Context, settings Settings, up Upstream, ours branch, segmentSize int) (LSN, error) {
	r, err := dialReplication(ctx, settings, settings.Replication, up.Host, up.Port)
	if err != nil {
		return 0, err
	}
	defer r.close(ctx)
	from := ours.end - ours.end%LSN(segmentSize)
	if _, err := r.wal(ctx, ours.timeline, from, from+1); isSQLState(err, undefinedFile) {
		return ours.end, nil
	}
	return 0, nil
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
		b.timeline, b.end, err = s.stoppedAt(control)
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
	settings := s.Settings()
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
func (s *Server) stoppedAt(c *Control) (Timeline, LSN, error) {
	switch c.State {
	case shutDown, shutDownInRecovery, inArchiveRecovery:
	default:
		return 0, 0, fmt.Errorf("%w (its control file says %q)", ErrNeedsRecovery, c.State)
	}
	if c.State != shutDown && c.MinRecoveryTimeline >= c.CheckpointTimeline && c.MinRecoveryLSN > c.CheckpointLSN {
		return c.MinRecoveryTimeline, c.MinRecoveryLSN, nil
	}
	end, err := s.checkpointEnd(c)
	return c.CheckpointTimeline, end, err
}

// walTail is how much of the WAL sameWAL compares.
const walTail = 64 << 10

// sameness is what sameWAL found.
type sameness int

const (
	walSame sameness = iota
	walDiffers
	walUnknown // one side has no WAL from there any more
)

// sameWAL compares the last bytes of the common part of our WAL and theirs. Two
// servers promoted by hand from the same position have the same timelines and
// the same histories, but not the same records: those carry times, transaction
// numbers and checksums.
func (s *Server) sameWAL(ctx context.Context, r replication, common branch, segmentSize int) (sameness, error) {
	from := max(common.begin(), common.end-min(common.end, walTail))
	if from == common.end {
		return walSame, nil
	}
	from, own, err := s.readWAL(common.timeline, from, common.end, segmentSize)
	if err != nil {
		return walUnknown, err
	}
	if len(own) == 0 {
		return walUnknown, nil
	}
	other, err := r.wal(ctx, common.timeline, from, common.end)
	switch {
	case isSQLState(err, undefinedFile):
		return walUnknown, nil
	case err != nil:
		return walUnknown, err
	case !bytes.Equal(own, other):
		return walDiffers, nil
	}
	return walSame, nil
}
