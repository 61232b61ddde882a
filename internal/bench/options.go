package bench

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// Options say what is measured.
type Options struct {
	Regent      string // path of the daemon
	Store       lab.StoreKind
	PostgresBin string     // folder with PostgreSQL's programs
	Rounds      int        // how often each event is measured: at least 1
	Settings    []Settings // of the daemon: each is a system of its own
	Peer        string     // path of Patroni; empty: it isn't measured
	Floor       bool       // measure the bare steps too
	Events      []string   // names of those to measure; empty: all
	Idle        time.Duration
	Checks      time.Duration // how long each kind of health check is sent; 0: they aren't measured
	Debug       bool          // agents log in detail
	Keep        string        // folder for the agents' logs of each round; empty: they go
	Out         io.Writer     // gets progress and the table
}

func (o Options) check() error {
	switch {
	case o.Regent == "":
		return errors.New("bench: Regent is missing: the path of the daemon")
	case o.Store == nil:
		return errors.New("bench: Store is missing: what the clusters are kept in")
	case o.PostgresBin == "":
		return errors.New("bench: PostgresBin is missing: the folder with PostgreSQL's programs")
	case o.Rounds < 1:
		return fmt.Errorf("bench: Rounds is %d: at least 1", o.Rounds)
	case len(o.Settings) == 0 && o.Peer == "" && !o.Floor:
		return errors.New("bench: there is nothing to measure: Settings, Peer or Floor")
	}
	for _, name := range o.Events {
		if _, ok := eventNamed(name); !ok && name != startEvent {
			return fmt.Errorf("bench: Events has %q: %s are possible", name, strings.Join(EventNames(), ", "))
		}
	}
	return nil
}

func (o Options) wants(event string) bool {
	for _, name := range o.Events {
		if name == event {
			return true
		}
	}
	return len(o.Events) == 0
}

// Settings are the timeouts of a cluster.
type Settings struct{ TTL, LoopWait, RetryTimeout time.Duration }

// ParseSettings reads ttl/loop_wait/retry_timeout in whole seconds, as 20/1/3.
func ParseSettings(text string) (Settings, error) {
	parts := strings.Split(text, "/")
	var seconds [3]time.Duration
	if len(parts) != len(seconds) {
		return Settings{}, fmt.Errorf("settings %q: ttl/loop_wait/retry_timeout in seconds, as 20/1/3", text)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return Settings{}, fmt.Errorf("settings %q: %q is no number of seconds from 1 on", text, part)
		}
		seconds[i] = time.Duration(n) * time.Second
	}
	return Settings{seconds[0], seconds[1], seconds[2]}, nil
}

func (s Settings) String() string {
	return fmt.Sprintf("%d/%d/%d", int(s.TTL.Seconds()), int(s.LoopWait.Seconds()), int(s.RetryTimeout.Seconds()))
}
