package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What the two kinds of copies of a program are called in ps, and how Main knows
// them: by this name together with the variable of their settings.
const (
	guardName   = "regent-guard:"
	launchName  = "regent-launch:"
	settingsVar = "REGENT_GUARD"
)

// settings are what a guard is started with.
type settings struct {
	DataDir      string        `json:"data_dir"`
	Place        place         `json:"place"`
	RetryTimeout time.Duration `json:"retry_timeout"`
}

// Main must be the first line of main in a program that uses a guard without
// Options.Path, and in one that Options.Path names. In the program itself it
// returns at once. In a copy that was started to be the guard it does not
// return.
func Main() {
	mainCalled.Store(true)
	text, ok := os.LookupEnv(settingsVar)
	if !ok || len(os.Args) < 1 {
		return
	}
	switch os.Args[0] {
	case guardName:
		os.Exit(guardMain(text))
	case launchName:
		os.Exit(launchMain(text))
	}
}

func guardMain(text string) int {
	os.WriteFile("/proc/self/comm", []byte("regent-guard"), 0)
	ready := os.NewFile(3, "ready")
	unix.CloseOnExec(3)
	var s settings
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		err = os.Chdir("/")
	}
	var g *guard
	if err == nil {
		g, err = openGuard(s)
	}
	if err != nil {
		fmt.Fprintln(ready, err)
		if !errors.Is(err, errHeld) { // who started us tries again and again
			fmt.Fprintln(os.Stderr, "guard:", err)
		}
		return 1
	}
	lockMemory()
	fmt.Fprintln(ready, readyWord)
	ready.Close()
	return g.run()
}

const readyWord = "ready"

// lockMemory keeps the guard from waiting for its own pages on a machine that
// swaps. Where memory to lock is limited it is left alone: the runtime dies of
// an allocation that can't be locked.
func lockMemory() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur == unix.RLIM_INFINITY {
		unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	}
}
