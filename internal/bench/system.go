package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/regent-ha/regent/internal/lab"
)

// system is something to measure.
type system struct {
	Name     string
	Settings Settings
	agent    []string // command; empty: the daemon
}

// peerSettings are the fastest that Patroni allows.
var peerSettings = Settings{TTL: 20e9, LoopWait: 1e9, RetryTimeout: 3e9}

// floorName is the system without an agent.
const floorName = "floor"

func (o Options) systems() []system {
	var all []system
	for _, s := range o.Settings {
		all = append(all, system{Name: "regent " + s.String(), Settings: s})
	}
	if o.Peer != "" {
		all = append(all, system{Name: "patroni " + peerSettings.String(), Settings: peerSettings, agent: []string{o.Peer}})
	}
	return all
}

// newLab makes a cluster of the system that doesn't run yet. Its nodes come to the
// store over the tallies, which are to be closed after it.
func (o Options) newLab(s system) (*lab.Lab, tallies, error) {
	counted := tallies{}
	var failed error
	l, err := lab.New(lab.Options{
		Regent: o.Regent, Agent: s.agent, Store: o.Store, PostgresBin: o.PostgresBin,
		TTL: s.Settings.TTL, LoopWait: s.Settings.LoopWait, RetryTimeout: s.Settings.RetryTimeout,
		Output: os.Stderr,
		Node: func(name string, config map[string]any) {
			failed = errors.Join(failed, counted.divert(name, config))
			if o.Debug {
				config["log"] = map[string]any{"level": "DEBUG"}
			}
		},
	})
	if err == nil {
		for _, n := range l.Nodes {
			failed = errors.Join(failed, counted.divertFile(n.Name, n.Env()))
		}
		if failed != nil {
			err = errors.Join(failed, l.Close())
		}
	}
	if err != nil {
		counted.close()
		return nil, nil, err
	}
	return l, counted, nil
}

// keepLogs copies what agents and servers logged to where it stays.
func (o Options) keepLogs(l *lab.Lab, name string) error {
	if o.Keep == "" {
		return nil
	}
	dir := filepath.Join(o.Keep, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	for _, n := range l.Nodes {
		logs, _ := filepath.Glob(filepath.Join(n.Dir, "*.log"))
		for _, path := range slices.Concat(logs, []string{n.DataDir() + ".log"}) {
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, n.Name+"-"+filepath.Base(path)), text, 0o600)
			}
			if err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("bench: %w", err)
			}
		}
	}
	return nil
}
