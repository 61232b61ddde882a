package load

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// latencies collect how long requests of one kind took, and what went wrong.
type latencies struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
	last   error // that made one fail
}

func (l *latencies) add(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed, l.last = l.failed+1, err
		return
	}
	l.took = append(l.took, took)
}

// take returns what was collected since the last take.
func (l *latencies) take() summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := summarize(l.took)
	s.failed, s.last = l.failed, l.last
	l.took, l.failed, l.last = nil, 0, nil
	return s
}

// summary is what is told of latencies.
type summary struct {
	count, failed        int
	median, high, length time.Duration // half, 99 of 100, and all took no longer
	last                 error
}

func summarize(took []time.Duration) summary {
	if len(took) == 0 {
		return summary{}
	}
	slices.Sort(took)
	rank := func(share float64) time.Duration { return took[min(int(share*float64(len(took))), len(took)-1)] }
	return summary{count: len(took), median: rank(0.5), high: rank(0.99), length: took[len(took)-1]}
}

func (s summary) String() string {
	text := fmt.Sprintf("%d", s.count)
	if s.count > 0 {
		text += fmt.Sprintf(", p50 %s, p99 %s, longest %s", milliseconds(s.median), milliseconds(s.high), milliseconds(s.length))
	}
	if s.failed > 0 {
		text += fmt.Sprintf("; %d failed, the last: %v", s.failed, s.last)
	}
	return text
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
