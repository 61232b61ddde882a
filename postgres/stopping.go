package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopLook is the time between two looks at a server that stops.
	stopLook = 5 * time.Millisecond
	// drainLook and drainStuck: after the shutdown checkpoint a walsender whose
	// title didn't change for drainStuck over looks of drainLook doesn't get its
	// standby to take the rest.
	drainLook  = 100 * time.Millisecond
	drainStuck = 2 * time.Second
	// killAfter is how long an immediate stop has. PostgreSQL itself kills its
	// children after 5 s.
	killAfter = 6 * time.Second
)

// stopping is one stop under way.
type stopping struct {
	s     *Server
	pm    *postmaster
	how   Stop
	began time.Time
	calls sync.WaitGroup // of OnShutdown

	done   bool // the control file says that it has shut down
	drains drains
}

var stopSignals = map[StopMode]syscall.Signal{
	StopSmart:     syscall.SIGTERM,
	StopFast:      syscall.SIGINT,
	StopImmediate: syscall.SIGQUIT,
}

// run asks the postmaster to stop, ever harder, until it is gone. Its end is
// told by its handle; the ticks are for what nothing announces.
func (st *stopping) run(ctx context.Context) error {
	if err := st.ask(st.how.Mode); err != nil {
		return err
	}
	look := time.NewTicker(stopLook)
	defer look.Stop()
	escalate := time.NewTimer(st.how.Escalate)
	defer escalate.Stop()
	if st.how.Escalate == 0 {
		escalate.Stop()
	}
	limit := time.NewTimer(st.how.Within - time.Since(st.began))
	defer limit.Stop()
	if st.how.Within == 0 {
		limit.Stop()
	}
	for {
		select {
		case <-limit.C:
			st.s.log.Warn("the server must not run any more: its processes are killed", "pid", st.pm.pid, "waited", st.how.Within)
			return st.s.killTree(ctx, st.pm)
		case <-st.pm.gone:
			st.lookForShutdown(ctx)
			return nil
		case <-look.C:
			st.lookForShutdown(ctx)
			st.endStuckWalsenders()
		case <-escalate.C:
			if st.how.Mode == StopImmediate {
				st.s.log.Warn("the server doesn't stop: its processes are killed", "pid", st.pm.pid)
				return st.s.killTree(ctx, st.pm)
			}
			st.s.log.Warn("the server doesn't stop in time", "mode", st.how.Mode, "waited", st.how.Escalate)
			if err := st.ask(StopImmediate); err != nil {
				return err
			}
			escalate.Reset(min(killAfter, max(st.how.Escalate, time.Second)))
		case <-ctx.Done():
			return fmt.Errorf("process %d still runs: %w", st.pm.pid, context.Cause(ctx))
		}
	}
}

func (st *stopping) ask(mode StopMode) error {
	sig, ok := stopSignals[mode]
	if !ok {
		return fmt.Errorf("Stop.Mode is %q: it must be smart, fast or immediate", mode)
	}
	st.how.Mode = mode
	return ignoreDone(st.pm.signal(sig))
}

// lookForShutdown calls OnShutdown when the control file says so.
func (st *stopping) lookForShutdown(ctx context.Context) {
	if st.done {
		return
	}
	control, err := st.s.readControl(ctx)
	if err != nil || !control.CleanShutdown() {
		return
	}
	st.done = true
	if st.how.OnShutdown != nil {
		st.calls.Go(func() { st.how.OnShutdown(*control) })
	}
}

// drains is what walsenders did since the shutdown checkpoint.
type drains struct {
	looked time.Time
	titles map[int]string
	since  map[int]time.Time
}

// isStreaming says whether a title is that of a walsender which tells how far it
// is: with update_process_title off it never changes, and so tells nothing.
func isStreaming(title string) bool {
	return isChildTitle(title) && strings.Contains(title, "walsender ") && strings.Contains(title, " streaming ")
}

// endStuckWalsenders ends walsenders that make no progress although all that is
// left to do is to send the end of the WAL: a standby that is frozen or cut off
// would hold the stop until wal_sender_timeout. The archiver is left alone, and
// the stop stays one in order: SIGTERM is how a single session is ended.
func (st *stopping) endStuckWalsenders() {
	now := time.Now()
	if !st.done || now.Sub(st.drains.looked) < drainLook {
		return
	}
	if st.drains.titles == nil {
		st.drains.titles, st.drains.since = map[int]string{}, map[int]time.Time{}
	}
	st.drains.looked = now
	all, err := st.s.serverProcesses()
	if err != nil {
		return
	}
	for _, pid := range all {
		t := title(pid)
		if !isStreaming(t) {
			continue
		}
		if st.drains.titles[pid] != t {
			st.drains.titles[pid], st.drains.since[pid] = t, now
			continue
		}
		if now.Sub(st.drains.since[pid]) < drainStuck {
			continue
		}
		st.drains.since[pid] = now
		st.s.log.Warn("a walsender doesn't get rid of the last WAL: it is ended", "process", t)
		st.terminate(pid)
	}
}

func (st *stopping) terminate(pid int) {
	dir, err := inodeOf(st.s.opts.DataDir)
	if err != nil {
		return
	}
	if proc, err := st.s.openServer(pid, dir); err == nil && proc != nil {
		_ = proc.signal(syscall.SIGTERM)
		proc.close()
	}
}
