package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

func (f *fixture) awaitExit(what string) time.Duration {
	f.t.Helper()
	begin := time.Now()
	select {
	case <-f.Exited():
		return time.Since(begin)
	case <-time.After(limit):
		f.t.Fatalf("%s: no hint of the postmaster's end", what)
		return 0
	}
}

func TestDeathOfChildIsNoticed(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	pid := f.Status(ctx).PID
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	t.Logf("noticed after %v", f.awaitExit("kill -9"))
	st := f.Status(ctx)
	if st.State != StateStopped || st.PID != 0 || st.Control.State != "in production" {
		t.Errorf("after kill -9: %+v", st)
	}
	// What is left of it holds its shared memory: a start has to end that first.
	must(t, f.StartPrimary(ctx, permit()))
	again := func(st Status) bool {
		if st.State != StateStarting && st.State != StateRunning { // by the word of the killed one's lock file
			t.Errorf("while it starts: %s: %s", st.State, st.Problem)
		}
		return runs(RolePrimary)(st)
	}
	if st := f.await("primary again", again); st.PID == pid || st.Timeline != 1 {
		t.Errorf("after the second start: %+v", st)
	}
}

// A backend that doesn't look whether its postmaster lives stays when that dies.
func TestLeftoversAreEndedBeforeStart(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	conn := f.conn(ctx)
	defer conn.Close(ctx)
	backend := int(conn.PgConn().PID())
	must(t, syscall.Kill(backend, syscall.SIGSTOP))
	must(t, syscall.Kill(f.Status(ctx).PID, syscall.SIGKILL))
	f.awaitExit("kill -9")
	st := f.await("stopped with leftovers", func(st Status) bool { return st.State == StateStopped })
	if left, err := f.serverProcesses(); err != nil || len(left) == 0 || st.Problem == "" {
		t.Fatalf("the frozen backend should be left: %v %v, %q", left, err, st.Problem)
	}
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary again", runs(RolePrimary))
	if title(backend) != "" {
		t.Errorf("backend %d is still there: %s", backend, title(backend))
	}
}

// A backend without its client's first message is called like its postmaster.
func TestUntitledLeftoverIsNoPostmaster(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	postmaster := f.Status(ctx).PID
	conn, err := net.Dial("tcp", f.settings.Listen)
	must(t, err)
	defer conn.Close()
	backend := 0
	for deadline := time.Now().Add(limit); backend == 0; {
		all, err := f.serverProcesses()
		must(t, err)
		for _, pid := range all {
			if title := title(pid); pid != postmaster && title != "" && !isChildTitle(title) {
				backend = pid
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no untitled backend")
		}
	}
	must(t, syscall.Kill(backend, syscall.SIGSTOP))
	must(t, syscall.Kill(postmaster, syscall.SIGKILL))
	f.awaitExit("kill -9")
	if st := f.Status(ctx); st.State != StateStopped || st.PID != 0 {
		t.Errorf("taken for a postmaster: %+v", st)
	}
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary again", runs(RolePrimary))
}

func TestAdoption(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	second, err := New(f.options, f.settings)
	must(t, err)
	defer second.Close()
	pid := f.Status(ctx).PID
	st := awaitStatus(t, second, "adopted", runs(RolePrimary))
	if st.PID != pid || !st.Answers {
		t.Errorf("adopted: %+v", st)
	}
	if err := second.StartPrimary(ctx, permit()); err == nil {
		t.Error("a second start on a running server")
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	f.awaitExit("parent")
	select {
	case <-second.Exited():
	case <-ctx.Done():
		t.Fatal("the adopter got no hint")
	}
	if st := second.Status(ctx); st.State != StateStopped {
		t.Errorf("adopter after death: %+v", st)
	}
}

func TestRunningServerWithoutLockFileIsFound(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	pid := f.Status(ctx).PID
	must(t, os.Remove(f.dataPath("postmaster.pid")))
	second, err := New(f.options, f.settings)
	must(t, err)
	defer second.Close()
	if st := second.Status(ctx); st.PID != pid {
		t.Errorf("found %d, not %d: %+v", st.PID, pid, st)
	}
	if err := second.StartPrimary(ctx, permit()); err == nil {
		t.Error("a second postmaster on a directory that lost its lock file")
	}
}

// The number in a lock file may have become another process's.
func TestForeignLockFile(t *testing.T) {
	f := newServer(t, "p1", nil)
	ctx := testContext(t)
	must(t, f.Bootstrap(ctx))
	sleeper := exec.Command("sleep", "60")
	sleeper.Dir = f.options.DataDir // even one that works in the directory
	sleeper.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	for name, pid := range map[string]int{
		"nobody's number": 1 << 21, "a foreign process": sleeper.Process.Pid, "init": 1,
		"our own": os.Getpid(), "of a single-user server": -sleeper.Process.Pid,
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("%d\n%s\n%d\n%d\n\n127.0.0.1\n\nready\n", pid, f.options.DataDir, time.Now().Unix(), f.port)
			must(t, os.WriteFile(f.dataPath("postmaster.pid"), []byte(text), 0o600))
			if st := f.Status(ctx); st.State != StateStopped || st.PID != 0 {
				t.Fatalf("with that lock file: %+v", st)
			}
			must(t, f.StartPrimary(ctx, permit()))
			awaitStatus(t, f.Server, "primary", runs(RolePrimary))
			must(t, f.Stop(ctx, Stop{Mode: StopFast}))
		})
	}
	if sleeper.ProcessState != nil || title(sleeper.Process.Pid) == "" {
		t.Error("the foreign process was killed")
	}
}

// A postmaster that was killed between making a lock file and writing it leaves
// one that PostgreSQL starts on no more.
func TestEmptyLockFile(t *testing.T) {
	f := newStopped(t, nil)
	ctx := testContext(t)
	for name, text := range map[string]string{"empty": "", "lost with the machine": strings.Repeat("\x00", 64)} {
		must(t, os.WriteFile(f.dataPath("postmaster.pid"), []byte(text), 0o600))
		must(t, f.StartPrimary(ctx, permit()))
		f.await("primary on a lock file that is "+name, runs(RolePrimary))
		must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	}
}

// That of a running server is its own, whatever stands in it.
func TestEmptyLockFileOfARunningServer(t *testing.T) {
	f := newPrimary(t, nil)
	lock := f.dataPath("postmaster.pid")
	must(t, os.Truncate(lock, 0))
	second, err := New(f.options, f.settings)
	must(t, err)
	defer second.Close()
	if err := second.StartPrimary(testContext(t), permit()); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(lock); err != nil {
		t.Error(err)
	}
}

func TestEmptyLockFileOfASocket(t *testing.T) {
	f := newStopped(t, nil)
	ctx := testContext(t)
	lock := filepath.Join(f.settings.Parameters["unix_socket_directories"], fmt.Sprintf(".s.PGSQL.%d.lock", f.port))
	must(t, os.WriteFile(lock, nil, 0o600))
	fails := func() {
		t.Helper()
		must(t, f.StartPrimary(ctx, permit()))
		f.await("dead", func(st Status) bool { return st.State == StateStopped && strings.Contains(st.Problem, "is empty") })
	}
	fails()
	must(t, os.Chtimes(lock, time.Now(), time.Now())) // somebody else's, which is being made
	fails()
	must(t, os.Chtimes(lock, time.Now(), time.Now().Add(-time.Minute)))
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", runs(RolePrimary))
}

// A process that uses the dead server's memory is waited for, although it can't
// be told for one of the server's.
func TestSharedMemoryInUse(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	lock, err := f.readPidFile()
	must(t, err)
	pm, err := f.running()
	must(t, err)
	fields := strings.Fields(lock.memory)
	id, err := strconv.Atoi(fields[len(fields)-1])
	must(t, err)
	at, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
	must(t, err)
	detach := sync.OnceFunc(func() { must(t, unix.SysvShmDetach(at)) })
	defer detach()
	must(t, f.killTree(ctx, pm))
	if !inUse(lock.memory) {
		t.Fatalf("%q isn't seen to be in use", lock.memory)
	}
	time.AfterFunc(300*time.Millisecond, detach) // a kernel that takes its time
	must(t, f.StartPrimary(ctx, permit()))
	f.await("primary", func(st Status) bool {
		if st.State == StateStopped {
			t.Fatalf("it died: %s", st.Problem)
		}
		return st.Role == RolePrimary
	})
}

// A second server of the same user, elsewhere, is none of our business.
func TestOtherServersAreLeftAlone(t *testing.T) {
	f, other := newPrimary(t, nil), newPrimary(t, nil)
	ctx := testContext(t)
	lock, err := os.ReadFile(other.dataPath("postmaster.pid"))
	must(t, err)
	must(t, f.Stop(ctx, Stop{Mode: StopFast}))
	must(t, os.WriteFile(f.dataPath("postmaster.pid"), lock, 0o600))
	if st := f.Status(ctx); st.State != StateStopped {
		t.Errorf("another directory's server was taken for ours: %+v", st)
	}
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate}))
	if st := other.Status(ctx); st.Role != RolePrimary {
		t.Errorf("the other server: %+v", st)
	}
}

func TestHungPostmaster(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	before := f.Status(ctx)
	must(t, syscall.Kill(before.PID, syscall.SIGSTOP))
	st := f.await("noticed as hung", func(st Status) bool { return !st.Answers })
	if st.State != StateRunning || st.Role != RolePrimary {
		t.Errorf("the kept connection still works, the status says %+v", st)
	}
	if st.At.Sub(st.AnsweredAt) <= 0 {
		t.Errorf("last answer at %v, now %v", st.AnsweredAt, st.At)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	f.closeSession(ctx)
	begin := time.Now()
	st = f.Status(short)
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("a status with 300 ms took %v", d)
	}
	if st.Role != RoleNone || st.State != StateUnknown || st.PID == 0 || st.Problem == "" {
		t.Errorf("hung, without a kept connection: %+v", st)
	}
	begin = time.Now()
	must(t, f.Stop(ctx, Stop{Mode: StopImmediate, Escalate: 300 * time.Millisecond}))
	t.Logf("hung server stopped in %v", time.Since(begin))
	if left, err := f.serverProcesses(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v %v", left, err)
	}
}

// What must be gone within a time is, whatever hangs: the postmaster, or what is
// run before its stop.
func TestStopWithin(t *testing.T) {
	f := newPrimary(t, func(_ *Options, s *Settings) { s.BeforeStop = "sleep 600" })
	ctx := testContext(t)
	must(t, syscall.Kill(f.Status(ctx).PID, syscall.SIGSTOP))
	begin := time.Now()
	must(t, f.Stop(ctx, Stop{Mode: StopFast, Escalate: time.Hour, Within: 2 * time.Second}))
	if d := time.Since(begin); d > 30*time.Second {
		t.Errorf("it took %v", d)
	}
	if left, err := f.serverProcesses(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v %v", left, err)
	}
}

// What runs before a stop has a part of the time that there is: it is gone then, also if
// it doesn't care for SIGTERM, and the stop goes on in order.
func TestBeforeStopIsBounded(t *testing.T) {
	f := newPrimary(t, func(_ *Options, s *Settings) {
		s.BeforeStop = `sh -c "trap : TERM; while :; do sleep 600; done"`
		s.CtlTimeout = 2 * time.Second
	})
	ctx := testContext(t)
	for name, how := range map[string]Stop{
		"by a kill instant":  {Mode: StopFast, Escalate: time.Second, Within: 8 * time.Second},
		"without a limit":    {Mode: StopFast},
		"nothing allows it":  {Mode: StopFast, Escalate: time.Second, Within: 3 * time.Second, AtOnce: true},
		"immediate, limited": {Mode: StopImmediate, Within: 8 * time.Second},
	} {
		begin := time.Now()
		must(t, f.Stop(ctx, how))
		if d := time.Since(begin); d > 7*time.Second {
			t.Errorf("%s: it took %v", name, d)
		}
		st := f.Status(ctx)
		if st.PID != 0 || how.Mode == StopFast && !st.Control.CleanShutdown() {
			t.Errorf("%s: %+v", name, st)
		}
		must(t, f.StartPrimary(ctx, permit()))
		f.await("primary", runs(RolePrimary))
	}
}

// Slots that can't be seen to, and whose connection hangs, keep neither Status nor Stop
// waiting.
func TestSlotsHoldNothingUp(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	must(t, f.SyncSlots(ctx, nil, nil))
	f.errands.busy <- struct{}{} // a statement that doesn't end
	begin := time.Now()
	if st := f.Status(ctx); st.State != StateRunning || st.Role != RolePrimary {
		t.Errorf("status: %+v", st)
	}
	must(t, f.Stop(ctx, Stop{Mode: StopFast, Escalate: 2 * time.Second}))
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	<-f.errands.busy
}

// A server that can't let anybody in says why, and is told from one that doesn't let
// this agent in.
func TestRefusesSessions(t *testing.T) {
	f := newPrimary(t, nil)
	ctx := testContext(t)
	file := f.dataPath("global/pg_filenode.map") // of the shared catalogs: each session reads it
	must(t, os.Rename(file, file+".away"))
	f.closeSession(ctx)
	st := f.await("noticed that nobody is let in", func(st Status) bool { return st.Refuses != "" })
	if st.State != StateUnknown || !st.Answers || st.PID == 0 || !strings.Contains(st.Refuses, "pg_filenode.map") {
		t.Errorf("without a file: %+v", st)
	}
	must(t, os.Rename(file+".away", file))
	f.await("let in again", func(st Status) bool { return st.State == StateRunning && st.Refuses == "" && st.Answers })

	// The session that stands works on; a full disk is reason enough to try another.
	must(t, os.Rename(file, file+".away"))
	pm, err := f.running()
	must(t, err)
	<-f.startProbe(pm, true, true)
	if st := f.Status(ctx); st.State != StateRunning || !strings.Contains(st.Refuses, "pg_filenode.map") {
		t.Errorf("with a session that stands: %+v", st)
	}
	must(t, os.Rename(file+".away", file))
	f.await("let in again", func(st Status) bool { return st.Refuses == "" })
}

func TestOwnFault(t *testing.T) {
	for code, own := range map[string]bool{"53100": true, "53200": true, "58P01": true, "XX000": true, "53300": false, "28P01": false, "57P03": false, "3D000": false, "": false} {
		if got := ownFault(&pgconn.PgError{Code: code, Message: "x"}) != ""; got != own {
			t.Errorf("%q: %t", code, got)
		}
	}
}

// A server elsewhere that has our port must not speak for ours.
func TestAnotherServerOnOurPort(t *testing.T) {
	other := newPrimary(t, nil)
	f := newStopped(t, func(_ *Options, s *Settings) { s.Listen = other.settings.Listen })
	ctx := testContext(t)
	must(t, f.writeSignal("standby.signal"))
	must(t, f.StartStandby(ctx, Upstream{}))
	f.await("dead", func(st Status) bool {
		if st.Role != RoleNone {
			t.Fatalf("the other server's role was taken for ours: %+v", st)
		}
		return st.State == StateStopped
	})
	if st := other.Status(ctx); st.Role != RolePrimary {
		t.Errorf("the other: %+v", st)
	}
}

// A disk that hangs can't be interrupted, a status has to end all the same.
func TestStatusWithHungDisk(t *testing.T) {
	f := newStopped(t, nil)
	lock := f.dataPath("postmaster.pid")
	must(t, syscall.Mkfifo(lock, 0o600)) // opening it blocks
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begin := time.Now()
		st := f.Status(ctx)
		cancel()
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("a status with 50 ms took %v", d)
		}
		if st.Data != DataUnknown || st.State != StateUnknown || st.Role != RoleNone || st.Problem == "" {
			t.Errorf("%+v", st)
		}
	}
	w, err := os.OpenFile(lock, os.O_WRONLY, 0)
	must(t, err)
	must(t, os.Remove(lock))
	must(t, w.Close())
	f.await("stopped", func(st Status) bool { return st.State == StateStopped && st.Data == DataValid })
}

func TestDefaultLauncher(t *testing.T) {
	f := newServer(t, "p1", func(o *Options, _ *Settings) { o.Launcher = nil })
	ctx := testContext(t)
	t.Setenv("PGPASSWORD", "leak")
	t.Setenv("PATRONI_NAME", "leak")
	t.Setenv("NOTIFY_SOCKET", "/leak")
	must(t, f.Bootstrap(ctx))
	must(t, f.StartPrimary(ctx, permit()))
	pid := f.await("primary", runs(RolePrimary)).PID
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	must(t, err)
	for _, leak := range []string{"leak", "secret"} {
		if containsText(env, leak) {
			t.Errorf("%q is in the postmaster's environment", leak)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	var ppid, pgrp, sid int
	var state, comm string
	if _, err := fmt.Sscanf(string(stat), "%d %s %s %d %d %d", new(int), &comm, &state, &ppid, &pgrp, &sid); err != nil || sid != pid {
		t.Errorf("session %d of postmaster %d: %v", sid, pid, err)
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == "anon_inode:[pidfd]" {
			t.Errorf("descriptor %s leaked: %s", fd, target)
		}
	}
}
