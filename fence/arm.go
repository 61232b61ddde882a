package fence

import (
	"github.com/regent-ha/regent/clock"
)

// Arm is the permission to run a server, writable or not, until an instant.
type Arm struct {
	// Number orders arms, disarms and holds: the highest wins, whether its
	// deadline is later or earlier, and each counts once.
	Number uint64 `json:"number"`
	// Grant is the store's name of the lease (see dcs.Lease.ID).
	Grant string `json:"grant"`
	// Fast is when the postmaster gets SIGINT, a fast shutdown.
	Fast clock.Instant `json:"fast"`
	// Kill is when everything is killed that still runs. Not before Fast.
	Kill clock.Instant `json:"kill"`
}

// Permit allows one start that may become writable.
type Permit struct {
	Number   uint64        `json:"number"`    // of the arm in force
	NotAfter clock.Instant `json:"not_after"` // no fork from here on
}

// Command is a composed start of a postmaster. It becomes the postmaster itself,
// without another fork in between.
type Command struct {
	Path     string   `json:"path"`     // of the executable
	Args     []string `json:"args"`     // without argv[0]
	Env      []string `json:"env"`      // the whole environment
	Dir      string   `json:"dir"`      // the data directory
	Log      string   `json:"log"`      // file that stdout and stderr are appended to; empty: /dev/null
	Writable bool     `json:"writable"` // it may become writable: without standby.signal
	Permit   Permit   `json:"permit"`   // of a writable one
}

// Server is what runs on the data directory, by the guard's own look.
type Server string

// States of a server.
const (
	None     Server = "none"
	Standby  Server = "standby"  // standby.signal was there before it started, and still is
	Writable Server = "writable" // it may take writes, now or without another start
)

// State is what a guard knows and does.
type State struct {
	Guard      int    // pid of the guard
	Agent      int    // pid of the agent that it listens to; 0: none
	Postmaster int    // pid of the server that it started or adopted; 0: none
	Server     Server // what runs
	Number     uint64 // highest number that counted
	Arm        Arm    // in force; without Grant: not armed, see AnswerBy
	Held       bool   // deadlines are suspended
	Fired      bool   // it fired, and no arm for another grant came since
	Killing    bool   // it isn't done yet
	Spent      string // the grant that it fired on last; never armed again
	Fenced     string // the data directory that must come back as a standby; empty: none
}

// Armed says whether a grant's deadline is in force. Without one the guard is
// latched: only a standby may run.
func (s State) Armed() bool { return s.Arm.Grant != "" }

// AnswerBy is until when an agent must arm, hold or disarm a server that the guard
// found running and that no lease file speaks for; zero: there is none. It is stopped
// then. That ends with the server: it says nothing about the next one.
func (s State) AnswerBy() clock.Instant {
	if s.Armed() || s.Held {
		return 0
	}
	return s.Arm.Fast
}
