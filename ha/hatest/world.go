package hatest

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/regent-ha/regent/clock"
)

// world drives a history: it lets one thing happen after another. Whatever a
// node wants to do beyond its own memory waits at a gate; the world waits until
// everybody waits, puts what came to the gates into an order that doesn't depend
// on the scheduler, gives each a time by its seeded generator, and opens the gate
// whose time comes first. So one seed is one history.
type world struct {
	now   atomic.Int64 // true time
	rng   *rand.Rand   // the driver's alone
	queue queue
	count uint64
	trace *trace
	// before is told what is about to happen.
	before func(what string)

	mu       sync.Mutex
	arrivals []arrival // at the gates since everybody last waited
	created  uint64
}

// arrival is something that came to a gate.
type arrival struct {
	node  int
	kind  string
	label string
	at    clock.Instant // of a timer
	site  uintptr       // where in the program a timer was made
	order uint64        // in which it came: the last resort
	admit func()
}

// happening is something at a time.
type happening struct {
	at    clock.Instant
	count uint64
	what  string // for the trace; empty: not worth a line
	do    func()
}

type queue []happening

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].count < q[j].count
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(happening)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = happening{}
	*q = (*q)[:last]
	return h
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x7265_6765_6e74)), trace: &trace{}}
	w.now.Store(int64(time.Hour)) // far from zero, which means never
	return w
}

func (w *world) time() clock.Instant { return clock.Instant(w.now.Load()) }

// in lets something happen after d. Only the driver calls it.
func (w *world) in(d time.Duration, what string, do func()) {
	w.at(w.time().Add(max(d, 0)), what, do)
}

func (w *world) at(at clock.Instant, what string, do func()) {
	w.count++
	heap.Push(&w.queue, happening{at: max(at, w.time()), count: w.count, what: what, do: do})
}

// arrive is called by anybody who comes to a gate.
func (w *world) arrive(a arrival) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.created++
	a.order = w.created
	w.arrivals = append(w.arrivals, a)
}

// settle waits until everybody waits, and admits those at the gates in order.
func (w *world) settle() {
	synctest.Wait()
	w.mu.Lock()
	came := w.arrivals
	w.arrivals = nil
	w.mu.Unlock()
	slices.SortFunc(came, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.kind, b.kind), cmp.Compare(a.label, b.label),
			cmp.Compare(a.at, b.at), cmp.Compare(a.site, b.site), cmp.Compare(a.order, b.order))
	})
	for _, a := range came {
		a.admit()
	}
	w.trace.flush()
}

// step lets the next thing happen, unless that is after limit.
func (w *world) step(limit clock.Instant) bool {
	w.settle()
	if len(w.queue) == 0 || w.queue[0].at.After(limit) {
		w.now.Store(int64(limit))
		return false
	}
	h := heap.Pop(&w.queue).(happening)
	w.now.Store(int64(h.at))
	if h.what != "" {
		if w.before != nil {
			w.before(h.what)
		}
		w.trace.add(h.at, h.what)
	}
	h.do()
	return true
}

// between draws a duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

// delay is how long something takes that is usually quick.
func (w *world) delay(usual time.Duration) time.Duration {
	d := w.between(usual/4, usual*2)
	if w.chance(200) {
		d += w.between(0, 100*usual)
	}
	return d
}

func (w *world) logf(format string, args ...any) {
	w.trace.add(w.time(), fmt.Sprintf(format, args...))
}
