package fence

import (
	"time"

	"github.com/regent-ha/regent/clock"
)

// Event is what happened to a Core. Those marked as requests are answered by
// one Accept or one Refuse among the effects.
type Event interface{ event() }

type (
	// Started is the first event: what the guard found.
	Started struct {
		Lease    Arm           // of the lease file, if that proves something; else zero
		Latch    Latch         // of the latch file
		Server   Server        // what runs already
		Data     string        // identity of the data directory
		AnswerIn time.Duration // within which an agent must arm, hold or disarm a server without a lease file
	}
	// AgentJoined is a request: an agent wants to be listened to.
	AgentJoined struct {
		PID  int
		Kill bool // it is to be killed when the guard fires on its arm
	}
	// AgentGone says that an agent died or took its leave.
	AgentGone struct{ PID int }
	// ArmAsked is a request.
	ArmAsked struct{ Arm Arm }
	// DisarmAsked is a request; Server was looked up for it.
	DisarmAsked struct {
		Number uint64
		Server Server
	}
	// HoldAsked is a request.
	HoldAsked struct{ Number uint64 }
	// LaunchAsked is a request; Server and Data were looked up for it.
	LaunchAsked struct {
		Writable bool // so asked for, or without standby.signal
		Permit   Permit
		Server   Server
		Data     string
	}
	// Forked says that the accepted launch has a process.
	Forked struct{}
	// ForkFailed says that the accepted launch has none.
	ForkFailed struct{}
	// Exited says that the launched or adopted process has ended.
	Exited struct{}
	// Looked says what ran when a look began that took until now. It is wanted
	// while Core.Watching.
	Looked struct {
		Server Server
		Began  clock.Instant
	}
	// Promoting says that somebody asked for a promotion, or that standby.signal
	// went: what runs as a standby is about to be none. It is wanted while
	// Core.Wary.
	Promoting struct{}
	// Killed says that nothing was left to kill after a Kill.
	Killed struct{}
	// Ending says that the guard was asked to stop the server and end.
	Ending struct{}
	// Moved says that the run directory was cleaned or made anew. Latch is what
	// lies there, maybe of another guard that came and went.
	Moved struct{ Latch Latch }
	// Tick says only that time has passed, at Core.Next.
	Tick struct{}
)

func (Started) event()     {}
func (AgentJoined) event() {}
func (AgentGone) event()   {}
func (ArmAsked) event()    {}
func (DisarmAsked) event() {}
func (HoldAsked) event()   {}
func (LaunchAsked) event() {}
func (Forked) event()      {}
func (ForkFailed) event()  {}
func (Exited) event()      {}
func (Looked) event()      {}
func (Promoting) event()   {}
func (Killed) event()      {}
func (Ending) event()      {}
func (Moved) event()       {}
func (Tick) event()        {}

// Effect is what a Core wants done, in the order given.
type Effect interface{ effect() }

type (
	// Accept answers a request with yes.
	Accept struct{}
	// Refuse answers a request with no.
	Refuse struct{ Err RefusedError }
	// Fork starts the accepted launch, unless NotAfter (if any) has come or a
	// Kill was ordered since; Forked or ForkFailed answers.
	Fork struct{ NotAfter clock.Instant }
	// Interrupt is SIGINT to every postmaster.
	Interrupt struct{}
	// Kill stops the postmaster and kills everything; Killed answers.
	Kill struct{}
	// KillAgent kills the agent that armed last.
	KillAgent struct{ PID int }
	// WriteLatch replaces the latch file.
	WriteLatch struct{ Latch Latch }
	// WriteStandbySignal makes the next start a read-only one, best effort.
	WriteStandbySignal struct{}
	// Exit ends the guard: nothing is left to watch over.
	Exit struct{}
)

func (Accept) effect()             {}
func (Refuse) effect()             {}
func (Fork) effect()               {}
func (Interrupt) effect()          {}
func (Kill) effect()               {}
func (KillAgent) effect()          {}
func (WriteLatch) effect()         {}
func (WriteStandbySignal) effect() {}
func (Exit) effect()               {}
