package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/regent-ha/regent/postgres"
)

// Bootstrap makes a new cluster: timeline 1, and an identifier of its own.
func (s *Server) Bootstrap(ctx context.Context) error {
	if err := s.fill(ctx, "initdb", s.speed.Copy, func() error { return nil }); err != nil {
		return err
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	first := newWAL()
	s.net.number++
	s.disk = disk{
		data: postgres.DataValid, state: shutDown, head: first, applied: first, checkpoint: first, newest: 1,
		systemID:  strconv.FormatUint(7_300_000_000_000_000_000+s.net.number, 10),
		keptAside: s.disk.keptAside, full: s.disk.full,
	}
	return nil
}

// Clone makes the empty or incomplete directory a copy of from.
func (s *Server) Clone(ctx context.Context, from postgres.Upstream, progress func(postgres.Progress)) error {
	source, err := s.source(from)
	if err != nil {
		return fmt.Errorf("postgrestest: clone %s: %w", from.Name, err)
	}
	life := source.pm
	err = s.fill(ctx, "clone", s.speed.Copy, func() error {
		if source.pm != life {
			return errors.New("the connection was lost")
		}
		return s.copyable(source)
	})
	if err != nil {
		return fmt.Errorf("postgrestest: clone %s: %w", from.Name, err)
	}
	if progress != nil {
		progress(postgres.Progress{Done: 1, Total: 1})
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	d := source.disk
	s.disk = disk{
		data: postgres.DataValid, systemID: d.systemID, head: d.head, applied: d.head,
		checkpoint: d.checkpoint, newest: d.newest, standby: true, backup: true,
		// The control file is copied last, from a server that runs.
		state:     d.state,
		keptAside: s.disk.keptAside, full: s.disk.full,
	}
	if from.Slot != "" && source.disk.slots != nil {
		source.disk.slots[from.Slot] = max(source.disk.slots[from.Slot], d.head.end)
	}
	return nil
}

// fill makes a directory incomplete for the time that something takes, and looks
// over and over whether that still goes well.
func (s *Server) fill(ctx context.Context, what string, took time.Duration, check func() error) error {
	s.net.lock()
	if s.disk.data == postgres.DataValid || s.pm != nil {
		s.net.mu.Unlock()
		return fmt.Errorf("postgrestest: %s: the data directory isn't empty", what)
	}
	kept := s.disk.keptAside
	if s.disk.incompleteOf == rewinding {
		kept = append(slices.Clone(kept), s.disk) // it was somebody's data
	}
	s.disk = disk{data: postgres.DataIncomplete, incompleteOf: what, keptAside: kept, full: s.disk.full}
	s.net.mu.Unlock()
	return s.work(ctx, what, took, check)
}

// work takes its time in four parts.
func (s *Server) work(ctx context.Context, what string, took time.Duration, check func() error) error {
	for range 4 {
		if err := s.pause(ctx, took/4); err != nil {
			return fmt.Errorf("postgrestest: %s: %w", what, err)
		}
		s.net.lock()
		err := check()
		if s.disk.full {
			err = errors.New("No space left on device")
		}
		s.net.mu.Unlock()
		if err != nil {
			return fmt.Errorf("postgrestest: %s: %w", what, err)
		}
	}
	return nil
}

func (s *Server) source(from postgres.Upstream) (*Server, error) {
	s.net.lock()
	defer s.net.mu.Unlock()
	source := s.net.find(from.Host, from.Port)
	if source == nil {
		return nil, fmt.Errorf("nobody listens on %s:%d", from.Host, from.Port)
	}
	return source, s.copyable(source)
}

// copyable says why nothing can be read from a server.
func (s *Server) copyable(source *Server) error {
	switch {
	case !s.net.reaches(s.opts.Host, source.opts.Host) || source.down || source.frozen:
		return errors.New("the host can't be reached")
	case source.pm == nil || source.pm.phase != running || source.pm.hung || source.pm.alone:
		return errors.New("the server doesn't answer")
	}
	return nil
}

// SetAside renames the directory; see Kept.
func (s *Server) SetAside(context.Context) error {
	s.net.lock()
	defer s.net.mu.Unlock()
	if s.pm != nil {
		return errors.New("postgrestest: set the data directory aside: the server runs")
	}
	kept := s.disk
	s.disk = disk{data: postgres.DataEmpty, keptAside: append(slices.Clone(kept.keptAside), kept), full: kept.full}
	return nil
}

// Kept says how many data directories SetAside has renamed.
func (s *Server) Kept() int {
	s.net.lock()
	defer s.net.mu.Unlock()
	return len(s.disk.keptAside)
}

// Compare says whether our WAL is part of the history of the primary at up.
func (s *Server) Compare(ctx context.Context, up postgres.Upstream) (postgres.Ancestry, error) {
	theirs, err := s.source(up)
	if err != nil {
		return postgres.Ancestry{}, fmt.Errorf("postgrestest: compare our WAL with %s: %w", up.Name, err)
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	ours := s.disk.head
	switch {
	case theirs.pm == nil || theirs.pm.recovery:
		return postgres.Ancestry{}, fmt.Errorf("postgrestest: compare our WAL with %s: %w", up.Name, postgres.ErrNotPrimary)
	case s.disk.data != postgres.DataValid:
		return postgres.Ancestry{}, errors.New("postgrestest: compare: there is no data")
	case theirs.disk.systemID != s.disk.systemID:
		return postgres.Ancestry{}, fmt.Errorf("postgrestest: compare our WAL with %s: %w", up.Name, postgres.ErrForeignSystem)
	case s.pm == nil && s.disk.state != shutDown && s.disk.state != shutDownInRecovery && s.disk.state != inArchiveRecovery:
		return postgres.Ancestry{}, fmt.Errorf("postgrestest: compare our WAL with %s: %w", up.Name, postgres.ErrNeedsRecovery)
	case s.pm == nil && s.disk.state != shutDown:
		ours = s.disk.applied // what wasn't replayed isn't looked at
	}
	if theirs.disk.head.has(ours) {
		return postgres.Ancestry{Fork: ours.end}, nil
	}
	a := postgres.Ancestry{Diverged: true, Reason: fmt.Sprintf("we end at %s on timeline %d, which is not on its history", ours.end, ours.on.timeline)}
	if both := fork(ours, theirs.disk.head); both != nil {
		a.Fork = both.end
	}
	return a, nil
}

const rewinding = "rewind"

// CanRewind is nil: checksums are on.
func (s *Server) CanRewind(context.Context) error { return nil }

// Rewind is pg_rewind: it needs a server that was shut down in order, and a
// source that is a primary. When it fails half-way the directory is incomplete.
func (s *Server) Rewind(ctx context.Context, up postgres.Upstream) error {
	source, err := s.source(up)
	if err != nil {
		return fmt.Errorf("postgrestest: rewind from %s: %w", up.Name, err)
	}
	s.net.lock()
	life, before := source.pm, s.disk
	switch {
	case s.pm != nil:
		err = errors.New("the server runs")
	case before.state != shutDown && before.state != shutDownInRecovery:
		err = postgres.ErrNeedsRecovery
	case life.recovery:
		err = postgres.ErrNotPrimary
	case source.disk.systemID != before.systemID:
		err = postgres.ErrForeignSystem
	default:
		s.disk.data, s.disk.incompleteOf = postgres.DataIncomplete, rewinding
	}
	s.net.mu.Unlock()
	if err == nil {
		err = s.work(ctx, rewinding, s.speed.Rewind, func() error {
			if source.pm != life {
				return errors.New("the connection was lost")
			}
			return s.copyable(source)
		})
	}
	if err != nil {
		return fmt.Errorf("postgrestest: rewind from %s: %w", up.Name, err)
	}
	s.net.lock()
	defer s.net.mu.Unlock()
	d := source.disk
	s.disk.incompleteOf = ""
	s.disk.data, s.disk.state, s.disk.standby, s.disk.backup = postgres.DataValid, inArchiveRecovery, true, true
	s.disk.head, s.disk.applied, s.disk.checkpoint = d.head, d.head, d.checkpoint
	s.disk.newest, s.disk.slots = d.newest, maps.Clone(before.slots)
	return nil
}
