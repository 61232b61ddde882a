//go:build !linux

package fence

import (
	"context"
	"errors"
	"runtime"
)

var errUnavailable = errors.New("fence: no guard can run on " + runtime.GOOS + ": it needs Linux")

// Available says why no guard can run here.
func Available() error { return errUnavailable }

// Main returns at once: no guard can run here.
func Main() { mainCalled.Store(true) }

// Guard is an agent's hold on a guard. There are none here.
type Guard struct{}

// ErrLost is in every error of a Guard whose connection has ended.
var ErrLost = errors.New("the connection to the guard has ended")

// Connect says that no guard can run here.
func Connect(context.Context, Options) (*Guard, error) { return nil, errUnavailable }

// ReadState says that no guard can run here.
func ReadState(context.Context, Options) (State, error) { return State{}, errUnavailable }

// Arm does nothing.
func (*Guard) Arm(context.Context, Arm) error { return errUnavailable }

// Disarm does nothing.
func (*Guard) Disarm(context.Context, uint64) error { return errUnavailable }

// Hold does nothing.
func (*Guard) Hold(context.Context, uint64) error { return errUnavailable }

// Launch does nothing.
func (*Guard) Launch(context.Context, Command) (int, error) { return 0, errUnavailable }

// State does nothing.
func (*Guard) State(context.Context) (State, error) { return State{}, errUnavailable }

// Lost returns nil.
func (*Guard) Lost() <-chan struct{} { return nil }

// Close does nothing.
func (*Guard) Close() error { return nil }

// Lock is held by the one agent of a data directory.
type Lock struct{}

// LockDataDir says that this needs Linux.
func LockDataDir(Options) (*Lock, error) { return nil, errUnavailable }

// Follow does nothing.
func (*Lock) Follow() error { return nil }

// Close gives the data directory up.
func (*Lock) Close() error { return nil }
