package hatest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regent-ha/regent/postgres/postgrestest"
)

// process is one life of an agent. What reaches it from outside goes through
// deliver: nothing reaches the dead, and the frozen get it when they thaw.
type process struct {
	world   *world
	node    *node
	pid     int
	ctx     context.Context
	cancel  context.CancelCauseFunc
	dead    atomic.Bool
	frozen  bool
	leaving bool // it was told to end, and may not have heard of it yet
	held    []func()
	serving sync.WaitGroup
}

func newProcess(n *node) *process {
	n.cluster.pids++
	p := &process{world: n.cluster.world, node: n, pid: n.cluster.pids}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// kill is SIGKILL: nothing that the process does from here on has an effect.
func (p *process) kill() {
	p.dead.Store(true)
	p.held = nil
	p.cancel(postgrestest.ErrKilled)
}

// deliver lets something reach the process. Only the driver calls it. A nil
// process is always there.
func (p *process) deliver(do func()) {
	switch {
	case p == nil:
		do()
	case p.dead.Load():
	case p.frozen:
		p.held = append(p.held, do)
	default:
		do()
	}
}

func (p *process) freeze() { p.frozen = true }

// thaw delivers what was held, in a moment each.
func (p *process) thaw() {
	p.frozen = false
	held := p.held
	p.held = nil
	var after time.Duration
	for _, do := range held {
		after += p.world.between(0, 200*time.Microsecond)
		p.world.in(after, "", func() { p.deliver(do) })
	}
}

var errDead = errors.New("hatest: the process is dead")

// gate lets the process go on in a moment: it is about to do something.
func (p *process) gate(ctx context.Context, what string) error {
	if p.dead.Load() {
		return errDead
	}
	open := make(chan struct{})
	p.world.arrive(arrival{node: p.node.index, kind: "gate", label: what, admit: func() {
		p.world.in(p.world.delay(localDelay), p.node.name+" "+what, func() {
			p.deliver(func() { close(open) })
		})
	}})
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// localDelay is how long a call on the same host takes.
const localDelay = 200 * time.Microsecond

// answer is how a request ended.
type answer[T any] struct {
	value T
	err   error
}

// request sends something to another process and waits for what comes back.
// send is called by the driver when the request leaves; it decides about the way
// and calls reply, once or never, when the answer has come back.
func request[T any](ctx context.Context, p *process, what string, send func(reply func(T, error))) (T, error) {
	var none T
	if p.dead.Load() {
		return none, errDead
	}
	back := make(chan answer[T], 1)
	p.world.arrive(arrival{node: p.node.index, kind: "request", label: what, admit: func() {
		send(func(value T, err error) {
			p.deliver(func() {
				select {
				case back <- answer[T]{value, err}:
				default:
				}
			})
		})
	}})
	select {
	case a := <-back:
		return a.value, a.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}
