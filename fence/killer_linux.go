package fence

import (
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"
)

// killer runs at most one killAll at a time, beside the loop.
type killer struct {
	scope *scope
	log   *slog.Logger
	done  func()

	mu      sync.Mutex
	running bool
	again   bool
}

func newKiller(s *scope, log *slog.Logger, done func()) *killer {
	return &killer{scope: s, log: log, done: done}
}

// interrupt asks for a fast shutdown: the known postmaster at once, then any
// other. A process gets SIGINT once or twice; PostgreSQL doesn't mind.
func (k *killer) interrupt(known process) {
	if known.pid != 0 {
		known.signal(unix.SIGINT)
	}
	go func() {
		if err := k.scope.interrupt(); err != nil {
			k.log.Error("fast shutdown", "error", err)
		}
	}()
}

// kill returns at once; done is called when nothing is left, once for all kills
// that were ordered meanwhile.
func (k *killer) kill(known []process) {
	for _, p := range known {
		p.killChildren()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.again = true
	if !k.running {
		k.running = true
		go k.run()
	}
}

func (k *killer) run() {
	killed := 0
	for {
		k.mu.Lock()
		if !k.again {
			k.running = false
			k.mu.Unlock()
			break
		}
		k.again = false
		k.mu.Unlock()
		killed += k.scope.killAll(k.log)
	}
	k.log.Warn("nothing runs on the data directory", "killed", killed)
	k.done()
}
