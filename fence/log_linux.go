package fence

import (
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// maxLog bounds the guard's log; the one before is kept.
const maxLog = 256 << 10

// newLog logs to the guard's file without ever waiting for it: lines that a hung
// disk can't take are lost.
func newLog(path string) *slog.Logger {
	lines := make(chan []byte, 256)
	go func() {
		for line := range lines {
			rotate(path)
			os.Stderr.Write(line)
		}
	}()
	return slog.New(slog.NewTextHandler(writerTo(lines), nil))
}

type writerTo chan<- []byte

func (w writerTo) Write(line []byte) (int, error) {
	select {
	case w <- append([]byte(nil), line...):
	default:
	}
	return len(line), nil
}

// rotate begins a new file if this one is full or was removed, and stderr is
// that then: what the runtime says of a crash belongs there too.
func rotate(path string) {
	st, err := os.Stderr.Stat()
	if err != nil {
		return
	}
	named, err := os.Stat(path)
	switch there := err == nil && os.SameFile(st, named); {
	case there && st.Size() < maxLog:
		return
	case there:
		os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	for _, fd := range []int{1, 2} {
		unix.Dup3(int(f.Fd()), fd, 0)
	}
}
