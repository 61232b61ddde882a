package hatest

import (
	"context"
	"errors"
	"strings"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
	"github.com/regent-ha/regent/postgres/postgrestest"
)

// server is an agent's way to its fake PostgreSQL: each call waits at the gate.
type server struct {
	process *process
	inner   *postgrestest.Server
	exited  chan struct{}
}

var _ ha.PostgreSQL = (*server)(nil)

func (s *server) Status(ctx context.Context) postgres.Status {
	if err := s.process.gate(ctx, "postgresql status"); err != nil {
		return postgres.Status{At: s.process.node.clock.Now(), Data: postgres.DataUnknown, State: postgres.StateUnknown, Problem: err.Error()}
	}
	st := s.inner.Status(ctx)
	if n := s.process.node; n.failQueries > 0 && st.PID != 0 {
		n.failQueries--
		return postgres.Status{At: st.At, Data: st.Data, SystemID: st.SystemID, Standby: st.Standby, Control: st.Control, ServerVersion: st.ServerVersion,
			PID: st.PID, StartedAt: st.StartedAt, State: postgres.StateUnknown, AnsweredAt: st.AnsweredAt, Problem: "no query went through: too many clients"}
	}
	return st
}

// SetLauncher is for as long as the agent lives.
func (s *server) SetLauncher(l postgres.Launcher) {
	if !s.process.dead.Load() {
		s.inner.SetLauncher(l)
	}
}

func (s *server) Exited() <-chan struct{}             { return s.exited }
func (s *server) Configure(c postgres.Settings) error { return s.inner.Configure(c) }
func (s *server) Settings() postgres.Settings         { return s.inner.Settings() }

func (s *server) do(ctx context.Context, what string, call func() error) error {
	if err := s.process.gate(ctx, "postgresql "+what); err != nil {
		return err
	}
	if err := s.hang(ctx, what); err != nil {
		return err
	}
	err := call()
	if err != nil && !s.process.dead.Load() {
		s.process.world.trace.log(s.process.node.name + " postgresql " + what + ": " + err.Error())
	}
	return err
}

// hang is what a call takes longer on a slow server. Deaf ones
// don't end with their context.
func (s *server) hang(ctx context.Context, what string) error {
	n := s.process.node
	verb, _, _ := strings.Cut(what, " ")
	d := max(n.slowCalls[what], n.slowCalls[verb])
	if d == 0 {
		return nil
	}
	timer := n.clock.NewTimer(n.clock.Now().Add(d))
	defer timer.Stop()
	ends := ctx.Done()
	if n.deafCalls {
		ends = s.process.ctx.Done()
	}
	select {
	case <-timer.C():
		return nil
	case <-ends:
		return context.Cause(ctx)
	}
}

func (s *server) Reload(ctx context.Context) error {
	return s.do(ctx, "reload", func() error { return s.inner.Reload(ctx) })
}

func (s *server) Bootstrap(ctx context.Context) error {
	return s.do(ctx, "initdb", func() error { return s.inner.Bootstrap(ctx) })
}

func (s *server) PostBootstrap(ctx context.Context) error {
	return s.do(ctx, "post_bootstrap", func() error { return s.inner.PostBootstrap(ctx) })
}

func (s *server) Clone(ctx context.Context, from postgres.Upstream, progress func(postgres.Progress)) error {
	return s.do(ctx, "clone "+from.Name, func() error { return s.inner.Clone(ctx, from, progress) })
}

func (s *server) SetAside(ctx context.Context) error {
	return s.do(ctx, "set aside", func() error { return s.inner.SetAside(ctx) })
}

func (s *server) StartPrimary(ctx context.Context, p postgres.Permit) error {
	return s.do(ctx, "start primary", func() error { return s.inner.StartPrimary(ctx, p) })
}

func (s *server) StartStandby(ctx context.Context, up postgres.Upstream) error {
	return s.do(ctx, "start standby", func() error { return s.inner.StartStandby(ctx, up) })
}

func (s *server) Recover(ctx context.Context) error {
	return s.do(ctx, "recover", func() error { return s.inner.Recover(ctx) })
}

func (s *server) Stop(ctx context.Context, how postgres.Stop) error {
	return s.do(ctx, "stop "+string(how.Mode), func() error {
		s.stopsStandby(how)
		return s.inner.Stop(ctx, how)
	})
}

func (s *server) PrePromote(ctx context.Context) error {
	return s.do(ctx, "pre_promote", func() error {
		if s.process.node.forbids {
			return errors.New("hatest: pre_promote forbids it")
		}
		return s.inner.PrePromote(ctx)
	})
}

// Promote looks at the clock and then has its effect; in between the agent may
// be frozen for any time.
func (s *server) Promote(ctx context.Context, notAfter clock.Instant) error {
	return s.do(ctx, "promote", func() error {
		s.process.node.promoted = s.inner.Look().Process
		if s.process.node.clock.Now().After(notAfter) {
			return s.inner.Promote(ctx, notAfter)
		}
		if err := s.process.gate(ctx, "postgresql promote now"); err != nil {
			return err
		}
		n := s.process.node
		n.cluster.world.arrive(arrival{node: n.index, kind: "promotion", admit: func() {
			if n.guard != nil {
				n.promotion()
			}
		}})
		return s.inner.Promote(ctx, never)
	})
}

func (s *server) Promoting(ctx context.Context) (asked bool, err error) {
	err = s.do(ctx, "promoting", func() error {
		asked, err = s.inner.Promoting(ctx)
		return err
	})
	return asked, err
}

// never is later than anything.
const never = clock.Instant(1<<63 - 1)

func (s *server) Follow(ctx context.Context, up postgres.Upstream) (restarted bool, err error) {
	err = s.do(ctx, "follow "+up.Name, func() error {
		restarted, err = s.inner.Follow(ctx, up)
		return err
	})
	return restarted, err
}

func (s *server) Nudge(ctx context.Context) error {
	return s.do(ctx, "nudge", func() error { return s.inner.Nudge(ctx) })
}

func (s *server) Checkpoint(ctx context.Context) error {
	return s.do(ctx, "checkpoint", func() error { return s.inner.Checkpoint(ctx) })
}

func (s *server) Compare(ctx context.Context, up postgres.Upstream) (a postgres.Ancestry, err error) {
	err = s.do(ctx, "compare with "+up.Name, func() error {
		a, err = s.inner.Compare(ctx, up)
		return err
	})
	return a, err
}

func (s *server) Rewind(ctx context.Context, up postgres.Upstream) error {
	return s.do(ctx, "rewind from "+up.Name, func() error { return s.inner.Rewind(ctx, up) })
}

func (s *server) CanRewind(ctx context.Context) error { return s.inner.CanRewind(ctx) }

func (s *server) History(ctx context.Context, tl postgres.Timeline) (lines []postgres.HistoryLine, err error) {
	err = s.do(ctx, "history", func() error {
		lines, err = s.inner.History(ctx, tl)
		return err
	})
	return lines, err
}

func (s *server) SyncSlots(ctx context.Context, wanted []postgres.WantedSlot, gone []string) error {
	return s.do(ctx, "slots", func() error { return s.inner.SyncSlots(ctx, wanted, gone) })
}
