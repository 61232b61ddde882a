package hatest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
)

// store is the one store of the cluster, and its network.
type store struct {
	cluster *Cluster
	server  *memory.Store
	admin   *memory.DCS // past all faults
	mode    storeMode
	waiting []func() // requests that a frozen store gets when it thaws
}

type storeMode int

const (
	storeUp     storeMode = iota
	storeDown             // refuses connections
	storeFrozen           // takes requests and answers when it thaws
	storeFull             // is read, and writes nothing
)

// storeLatency is how long a request takes in each direction.
const storeLatency = 2 * time.Millisecond

func (s *store) set(mode storeMode) {
	s.mode = mode
	if mode != storeUp {
		return
	}
	waiting := s.waiting
	s.waiting = nil
	for _, do := range waiting {
		s.cluster.world.in(s.cluster.world.delay(storeLatency), "", do)
	}
	for _, n := range s.cluster.nodes {
		n.missedHint = true
	}
}

// door is one agent's way to the store: dcs/memory behind everything that can
// happen to a request.
type door struct {
	process *process
	store   *store
	inner   *memory.DCS
	// unknown is the grant of an attempt whose answer never came. The next
	// attempt uses it again, as every backend does.
	unknown string
}

var _ dcs.DCS = (*door)(nil)

var errFull = errors.New("hatest: the store has no space left")

var errUnavailable = errors.New("hatest: the store refuses connections")

// call sends one request. Only do touches the store, when the request arrives.
func call[T any](ctx context.Context, d *door, verb string, do func() (T, error)) (T, error) {
	p, w := d.process, d.process.world
	var none T
	return request(ctx, p, "store "+verb, func(reply func(T, error)) {
		n := p.node
		arrives := func() {
			value, err := do()
			if n.cutInRenewal != "" && strings.HasPrefix(verb, n.cutInRenewal) {
				n.cutInRenewal = ""
				d.store.cluster.CutStore(n.name, true, true)
			}
			w.in(w.delay(storeLatency), "", func() {
				switch {
				case n.down || p.dead.Load():
				case n.lostRenewals && strings.HasPrefix(verb, "renew "):
					w.logf("%s store %s: the answer is lost", n.name, verb)
				case n.fromStoreCut:
					n.lateReplies = append(n.lateReplies, func() { reply(value, err) })
				case n.flaky && w.chance(8):
					w.logf("%s store %s: the answer is lost, the connection broke", n.name, verb)
					reply(none, errors.New("hatest: the connection broke after the request was sent"))
				default:
					w.logf("%s store %s: %s", n.name, verb, outcome(err))
					reply(value, err)
				}
			})
		}
		w.in(w.delay(storeLatency)+n.slowness(), fmt.Sprintf("%s store %s", n.name, verb), func() { d.pass(verb, arrives, func(err error) { reply(none, err) }) })
	})
}

// pass lets a request through to the store, or not.
func (d *door) pass(verb string, arrives func(), refuse func(error)) {
	n, w := d.process.node, d.process.world
	switch s := d.store; {
	case n.down:
	case n.toStoreCut && w.chance(2):
		n.lateRequests = append(n.lateRequests, arrives) // the kernel sends it again when the way is free
	case n.toStoreCut:
	case s.mode == storeDown:
		w.in(w.delay(storeLatency), "", func() { refuse(errUnavailable) })
	case s.mode == storeFull && verb != "read":
		w.in(w.delay(storeLatency), "", func() { refuse(errFull) })
	case s.mode == storeFrozen:
		s.waiting = append(s.waiting, arrives)
	case n.flaky && w.chance(8):
		refuse(errors.New("hatest: the connection broke before the request was sent"))
	default:
		arrives()
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, dcs.ErrHeld):
		return "held"
	case errors.Is(err, dcs.ErrLost):
		return "lost"
	case errors.Is(err, dcs.ErrConflict):
		return "conflict"
	}
	return err.Error()
}

// Read implements dcs.DCS.
func (d *door) Read(ctx context.Context) (dcs.Snapshot, error) {
	sent := d.process.node.clock.Now()
	s, err := call(ctx, d, "read", func() (dcs.Snapshot, error) { return d.inner.Read(context.Background()) })
	s.Sent = sent
	if err == nil && s.Leader != nil && !d.process.dead.Load() {
		d.process.node.sees(s)
	}
	return s, err
}

// AttemptToAcquireLeader implements dcs.DCS.
func (d *door) AttemptToAcquireLeader(ctx context.Context) (dcs.Lease, error) {
	sent := d.process.node.clock.Now()
	if !d.process.dead.Load() {
		d.process.node.unsettled = true
	}
	l, err := call(ctx, d, "acquire", func() (dcs.Lease, error) {
		l, err := d.inner.AttemptToAcquireLeader(context.Background())
		if refused := (*dcs.RefusedError)(nil); errors.As(err, &refused) && refused.Holder != nil && refused.Holder.Grant == d.unknown && d.unknown != "" {
			l, err = d.inner.ResumeLeader(context.Background(), d.unknown)
		}
		if err == nil {
			d.unknown = l.ID
			l.Since = sent
			d.process.node.wonAt = d.process.world.time()
			d.process.node.granted(l)
		}
		return l, err
	})
	if err == nil {
		d.unknown = ""
	}
	if (err == nil || errors.Is(err, dcs.ErrHeld)) && !d.process.dead.Load() {
		d.process.node.unsettled = false
	}
	return d.stamp(l, err), err
}

// UpdateLeader implements dcs.DCS.
func (d *door) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	sent := d.process.node.clock.Now()
	renewed, err := call(ctx, d, "renew"+carried(docs), func() (dcs.Lease, error) {
		renewed, err := d.inner.UpdateLeader(context.Background(), l, docs...)
		if err == nil || errors.Is(err, dcs.ErrConflict) {
			renewed.Since = sent
			d.process.node.granted(renewed)
		}
		if err == nil {
			d.store.cluster.written(docs)
		}
		return renewed, err
	})
	return d.stamp(renewed, err), err
}

// sees notes whom the node knows from now on.
func (n *node) sees(s dcs.Snapshot) {
	clear(n.knew)
	for key := range s.Documents {
		if name, ok := strings.CutPrefix(string(key), string(dcs.MemberKey(""))); ok {
			n.knew[name] = true
		}
	}
}

// carried tells what documents go with a renewal, the failsafe map first.
func carried(docs []dcs.Write) string {
	var keys string
	for _, d := range docs {
		if d.Key == dcs.FailsafeKey {
			keys = " " + string(d.Key) + keys
		} else {
			keys += " " + string(d.Key)
		}
	}
	return keys
}

// stamp is where the mutant sits that counts a lease from the answer on.
func (d *door) stamp(l dcs.Lease, err error) dcs.Lease {
	if d.process.node.cluster.opts.LeaseStampedLate && l.ID != "" {
		l.Since = d.process.node.clock.Now()
	}
	return l
}

// ReleaseLeader implements dcs.DCS.
func (d *door) ReleaseLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) error {
	if !d.process.dead.Load() {
		d.process.node.released(l)
	}
	switchover := d.process.node.handsOver()
	_, err := call(ctx, d, "release", func() (struct{}, error) {
		if switchover {
			d.store.cluster.handsOver(d.process.node)
		}
		return struct{}{}, d.inner.ReleaseLeader(context.Background(), l, docs...)
	})
	return err
}

// ResumeLeader implements dcs.DCS.
func (d *door) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	sent := d.process.node.clock.Now()
	l, err := call(ctx, d, "resume", func() (dcs.Lease, error) {
		l, err := d.inner.ResumeLeader(context.Background(), id)
		if err == nil {
			l.Since = sent
			d.process.node.granted(l)
		}
		return l, err
	})
	return d.stamp(l, err), err
}

// Touch implements dcs.DCS.
func (d *door) Touch(ctx context.Context, m dcs.Member) error {
	_, err := call(ctx, d, "touch", func() (struct{}, error) { return struct{}{}, d.inner.Touch(context.Background(), m) })
	return err
}

// Put implements dcs.DCS.
func (d *door) Put(ctx context.Context, w dcs.Write) (dcs.Version, error) {
	return call(ctx, d, "put "+string(w.Key), func() (dcs.Version, error) {
		version, err := d.inner.Put(context.Background(), w)
		if err == nil && w.Key == dcs.ConfigKey {
			d.store.cluster.configured(w.Value)
		}
		return version, err
	})
}

// Delete implements dcs.DCS.
func (d *door) Delete(ctx context.Context, key dcs.Key, prev dcs.Version) error {
	_, err := call(ctx, d, "delete "+string(key), func() (struct{}, error) {
		return struct{}{}, d.inner.Delete(context.Background(), key, prev)
	})
	return err
}

// RemoveCluster implements dcs.DCS.
func (d *door) RemoveCluster(ctx context.Context) error {
	_, err := call(ctx, d, "remove", func() (struct{}, error) { return struct{}{}, d.inner.RemoveCluster(context.Background()) })
	return err
}

// SetTTL implements dcs.DCS.
func (d *door) SetTTL(ttl time.Duration) { d.inner.SetTTL(ttl) }

// Quiet implements dcs.DCS.
func (d *door) Quiet() (from, until clock.Instant) { return d.process.node.silence.Quiet() }

// LeaseFor implements dcs.DCS.
func (d *door) LeaseFor(ttl time.Duration) time.Duration { return d.inner.LeaseFor(ttl) }

// Close implements dcs.DCS.
func (d *door) Close() error { return nil }
