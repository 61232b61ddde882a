package ha

import "sync"

// teller calls the embedder's hooks, one after the other and in order, beside the loop:
// one that takes long holds nothing up but the next.
type teller struct {
	mu     sync.Mutex
	queue  []func()
	busy   bool
	leaves sync.WaitGroup
}

// say puts a call behind those that wait.
func (t *teller) say(call func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, call)
	if t.busy {
		return
	}
	t.busy = true
	t.leaves.Go(func() {
		for call := t.next(); call != nil; call = t.next() {
			call()
		}
	})
}

// next takes the first call; nil: none waits.
func (t *teller) next() func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		t.busy = false
		return nil
	}
	call := t.queue[0]
	t.queue = t.queue[1:]
	return call
}
