package fence

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Mode is how much a member relies on its guard.
type Mode string

// Modes. The zero Mode is Automatic.
const (
	// Automatic requires a guard wherever one can run.
	Automatic Mode = "automatic"
	// Required never runs a writable server without a guard.
	Required Mode = "required"
	// Off leaves the lease to the agent's own timer: an agent that is killed or
	// frozen then leaves a primary behind that takes writes.
	Off Mode = "off"
)

// OnFenced says what becomes of the agent when the guard fires on its arm.
type OnFenced string

// Choices for OnFenced.
const (
	// OnFencedLeave lets it find out by itself: it looks at its lease before each effect.
	OnFencedLeave OnFenced = "leave"
	// OnFencedKill is for stores whose client library could keep the lease alive in
	// an agent that was frozen.
	OnFencedKill OnFenced = "kill"
)

// Options say which guard to talk to, and how to start it.
type Options struct {
	DataDir string // absolute; required. Its parent must exist
	RunDir  string // see DefaultRunDir, which the empty string stands for

	// Path names a program whose main begins with Main, to run as the guard.
	// Empty: a copy of this program, whose main must begin so.
	Path string
	// RetryTimeout is how long a new guard leaves a server running that it found,
	// without a lease file that speaks for it, before an agent arms or holds it.
	// Zero: 10 s.
	RetryTimeout time.Duration
	// OnFenced is OnFencedLeave if empty.
	OnFenced OnFenced

	Logger *slog.Logger // nil: discards
}

// mainCalled is how Options without a Path know that a copy of this program
// would become a guard, and not run the program once more.
var mainCalled atomic.Bool

// Validate says what is wrong with the options, by field.
func (o Options) Validate() error {
	if err := Available(); err != nil {
		return err
	}
	switch {
	case o.DataDir == "":
		return errors.New("fence: DataDir is empty: it must be the absolute path of the data directory")
	case o.Path == "" && !mainCalled.Load():
		return errors.New("fence: no program for the guard: make fence.Main() the first line of main, set Path to a program that has it, or turn the fence off aloud")
	case o.RetryTimeout < 0:
		return fmt.Errorf("fence: RetryTimeout is %v: it must be positive, or zero for 10 s", o.RetryTimeout)
	case o.OnFenced != "" && o.OnFenced != OnFencedLeave && o.OnFenced != OnFencedKill:
		return fmt.Errorf("fence: OnFenced is %q: allowed are %q and %q", o.OnFenced, OnFencedKill, OnFencedLeave)
	}
	_, err := o.place()
	return err
}

// LeaseFile is where the agent of this data directory keeps its Record, and
// where a new guard looks for it.
func (o Options) LeaseFile() (string, error) {
	p, err := o.place()
	return p.lease(), err
}

func (o Options) place() (place, error) {
	dir := o.RunDir
	if dir == "" {
		dir = DefaultRunDir()
	}
	p, err := placeOf(dir, o.DataDir)
	if err != nil {
		return "", fmt.Errorf("fence: %w", err)
	}
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.RetryTimeout == 0 {
		o.RetryTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
