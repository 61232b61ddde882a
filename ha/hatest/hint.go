package hatest

import (
	"context"
)

// Watch implements dcs.DCS. The driver looks at what the store signals and lets
// it through like everything else.
func (d *door) Watch(ctx context.Context) <-chan struct{} {
	n := d.process.node
	hints := make(chan struct{}, 1)
	n.cluster.world.arrive(arrival{node: n.index, kind: "watch", admit: func() {
		if !d.process.dead.Load() {
			n.watched, n.hints, n.missedHint = d.inner.Watch(ctx), hints, true
		}
	}})
	return hints
}

// watch passes a hint on, if the store gave one. The driver calls it after
// everything that happens.
func (n *node) watch() {
	if n.watched == nil || n.process == nil {
		return
	}
	select {
	case _, open := <-n.watched:
		if !open {
			n.watched = nil
			return
		}
		n.missedHint = true
	default:
	}
	s := n.cluster.store
	if !n.missedHint || s.mode != storeUp || n.toStoreCut || n.fromStoreCut || n.down {
		return
	}
	n.missedHint = false
	hints, p := n.hints, n.process
	n.cluster.world.in(n.cluster.world.delay(storeLatency), n.name+" hint", func() {
		p.deliver(func() {
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	})
}
