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
			os.Stderr.Write(line)
			rotate(path)
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

// rotate begins a new file, which stderr then is: what the runtime says of a
// crash belongs there too.
func rotate(path string) {
	if st, err := os.Stderr.Stat(); err != nil || st.Size() < maxLog {
		return
	}
	os.Rename(path, path+".1")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	for _, fd := range []int{1, 2} {
		unix.Dup3(int(f.Fd()), fd, 0)
	}
}
