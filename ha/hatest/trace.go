package hatest

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/regent-ha/regent/clock"
)

// trace is what happened, line by line. Lines that several goroutines wrote
// between two happenings are sorted: they have no order.
type trace struct {
	out  io.Writer // nil: nowhere
	tail []string  // the last lines

	mu  sync.Mutex
	now []string
}

// tailLines is how much of a history is kept for the one who asks what went wrong.
const tailLines = 200

// add writes a line. Only the driver calls it.
func (t *trace) add(at clock.Instant, line string) {
	t.write(fmt.Sprintf("%12.6f %s", at.Sub(clock.Instant(time.Hour)).Seconds(), line))
}

// log is for anybody else.
func (t *trace) log(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = append(t.now, line)
}

func (t *trace) flush() {
	t.mu.Lock()
	lines := t.now
	t.now = nil
	t.mu.Unlock()
	slices.Sort(lines)
	for _, line := range lines {
		t.write("             " + line)
	}
}

func (t *trace) write(line string) {
	line += "\n"
	if t.out != nil {
		io.WriteString(t.out, line)
	}
	if len(t.tail) == 2*tailLines {
		t.tail = append(t.tail[:0], t.tail[tailLines:]...)
	}
	t.tail = append(t.tail, line)
}
