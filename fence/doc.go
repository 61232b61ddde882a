// Package fence keeps a PostgreSQL from taking writes after its right to lead
// has ended, whatever has become of the agent that watched over it.
//
// A guard is a small process, one for each data directory. It starts the
// postmaster, outlives the agent, and is told by the agent, with each renewal of
// the lease, until when the server may run (Guard.Arm). When that instant comes
// and no later word has arrived, everything that runs on the data directory is
// killed, whatever its role, and from then on only a standby may run there.
//
// # What it promises
//
// To whoever holds an acknowledged Arm: from Arm.Kill on, as soon as the guard
// gets to run, no process of PostgreSQL is left on the data directory: none that
// the guard started, from its fork on, and none of the directory's owner whose
// working directory it is. The server was asked to shut down (fast) at Arm.Fast
// before. The guard's own death ends the server that it started: the kernel
// sends the postmaster SIGINT.
//
// A server that may take writes starts only on an arm that is still in force.
// After the guard fired, no arm counts for the grant that it fired on, and what
// runs without standby.signal is killed until an arm for another grant comes.
// The same holds before the first arm and after Disarm. A fence leaves a directory
// in place of standby.signal, so that a server which is started by hand on it
// can't be promoted by hand: it ends at the attempt.
//
// # What the caller owes it
//
//   - The first line of main is fence.Main(), which turns a copy of the program
//     into the guard, or Options.Path names such a program.
//   - Arm.Kill is early enough: no later than the lease's end on the worst clock,
//     less the time that this machine needs to run the guard and to kill.
//   - An arm without acknowledgement counts as not given. The lease timer of the
//     agent stands in where the guard is frozen or gone: see Guard.Lost.
//   - What may make the server writable goes through the guard: a writable start
//     is a Launch, a promotion comes between an acknowledged Arm and its Fast.
//   - Numbers of arms rise. A new agent goes on from State.Number.
//   - A script that runs a server of its own on the data directory (a custom
//     bootstrap) does so under Hold: without an arm it would be killed.
//   - A service manager that stops the agent leaves the guard alone
//     (KillMode=process with systemd), and the run directory stays. A guard whose
//     files there are removed puts its socket and its latch back within a second
//     or so; the lease file is the agent's to write again.
//
// # What it does not promise
//
//   - A frozen machine or a frozen guard kills nobody while it is frozen; it
//     does so first of all when it thaws. A hypervisor that stops all clocks of a
//     machine is not noticed. An outside watchdog covers these.
//   - A server that ran before the guard did is watched and killed like any
//     other, but has no parent death signal until its next start.
//   - A primary that is started by hand under the latch is killed while it starts,
//     and so is a standby that was launched under it and is promoted by hand: the
//     guard sees the files that come and go, and is quicker than PostgreSQL, but
//     nothing holds PostgreSQL up meanwhile. Where there is no inotify (or not on
//     the data directory's file system) it looks ten times a second.
//   - Programs that PostgreSQL runs (archive and restore commands), shells and
//     backup tools are left alone. So is, under the latch but not at Arm.Kill, a
//     postgres that serves nobody: --boot, --single, --check, -C.
//   - The command of a Launch becomes the postmaster itself; one that forks the
//     postmaster and ends is out of sight until postgres is there.
//   - Processes in an uninterruptible wait die when the kernel lets them; they
//     run no more code of theirs either.
//
// It runs on Linux with /proc and pidfd (5.3 or later); elsewhere Available says
// why not.
package fence
