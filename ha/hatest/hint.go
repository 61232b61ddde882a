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
			n.watching = d.inner
			n.silence.Broken()
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
	if s.mode != storeUp || n.toStoreCut || n.fromStoreCut || n.down {
		return
	}
	changed, _ := n.watching.Quiet()
	if !n.missedHint {
		if n.onTheirWay == 0 && changed == n.told {
			n.silence.Proven(n.clock.Now())
		}
		return
	}
	n.missedHint, n.told = false, changed
	n.onTheirWay++
	hints, p := n.hints, n.process
	n.cluster.world.in(n.cluster.world.delay(storeLatency), n.name+" hint", func() {
		n.onTheirWay--
		n.silence.News(n.clock.Now())
		p.deliver(func() {
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	})
}
