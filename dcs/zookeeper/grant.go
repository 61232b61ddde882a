package zookeeper

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// grant is a session for the leader key, the zero grant being none.
type grant struct {
	session session
	created time.Duration // its timeout as the servers wrote it down when it began
	lineage string        // the first session of the key's, through all moves
	version int32         // of the leader key's node, as far as we know

	conn  *conn // attached to it last; nil: by another handle
	since clock.Instant
	ttl   time.Duration // what it was extended by last
}

func (g grant) lease() dcs.Lease {
	return dcs.Lease{ID: sessionID(g.session.id), Since: g.since, For: g.ttl}
}

// extended is g after a connection was attached to its session. The servers'
// leader then counts with the timeout that the connection asked for; the next one
// begins with that of the session's creation.
func (g grant) extended(c *conn) grant {
	g.conn, g.since, g.ttl = c, c.since, min(g.created, c.granted)
	return g
}

// leaseNode is beside the leader key, under the same session and with its name.
// It lets an agent that was restarted know its session, and it is what renewals
// and moves check for: it is gone when the session has ended, or another member
// of ours has the key.
type leaseNode struct {
	Asked   int64  `json:"asked"`   // milliseconds
	Granted int64  `json:"granted"` // milliseconds
	Lineage string `json:"lineage"`
}

const leaseSuffix = "-lease-"

func (d *DCS) leasePath(session int64) string { return d.leader + leaseSuffix + sessionID(session) }

// firstVersion is what createKey leaves the leader key's node at.
const firstVersion = 1

// createKey creates the leader key and what is beside it. It sets the key once: a
// node that Patroni or a person creates has version 0, and Patroni never sets it,
// so no later request of ours, which names 1 or more, can be carried out on it.
func (d *DCS) createKey(g grant) []change {
	// Three numbers and hex digits always encode.
	value, _ := json.Marshal(leaseNode{g.session.asked.Milliseconds(), g.created.Milliseconds(), g.lineage})
	return []change{
		create(d.leader, []byte(d.name), d.acl, ephemeral),
		set(d.leader, []byte(d.name), firstVersion-1),
		create(d.leasePath(g.session.id), value, d.acl, ephemeral),
	}
}

// holds says whether the leader key, as it was read, is in our name under the
// session.
func (d *DCS) holds(session int64, n node, there bool) bool {
	return there && n.owner == session && string(n.value) == d.name
}

// holder is whom the leader key names, given the node beside it.
func holder(n, lease node) *dcs.Holder {
	h := &dcs.Holder{Name: string(n.value), Grant: sessionID(n.owner), Lineage: fmt.Sprintf("%x", n.created)}
	var l leaseNode
	if n.owner != 0 && lease.owner == n.owner && json.Unmarshal(lease.value, &l) == nil && l.Lineage != "" {
		h.Lineage = l.Lineage
	}
	return h
}

func (d *DCS) refused(why error, n node, there bool) error {
	if !there {
		return &dcs.RefusedError{Err: why}
	}
	return &dcs.RefusedError{Err: why, Holder: holder(n, node{})}
}

// leaderKey reads the leader key, linearizably.
func (d *DCS) leaderKey(ctx context.Context) (n node, there bool, err error) {
	err = d.attempt(ctx, func(ctx context.Context, c *conn) error {
		if err := d.barrier(ctx, c); err != nil {
			return err
		}
		n, there, err = get(ctx, c, d.leader)
		return err
	})
	return n, there, err
}

// lost is the refusal of a grant that holds no key.
func (d *DCS) lost(ctx context.Context) error {
	n, there, err := d.leaderKey(ctx)
	if err != nil {
		return err
	}
	return d.refused(dcs.ErrLost, n, there)
}

// find returns the grant of that id: ours, or what another handle of this member
// left in the store.
func (d *DCS) find(ctx context.Context, id string) (grant, error) {
	session, ok := parseSessionID(id)
	if !ok {
		return grant{}, d.lost(ctx)
	}
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held.session.id == session {
		return held, nil
	}
	return d.load(ctx, session)
}

func (d *DCS) load(ctx context.Context, id int64) (g grant, err error) {
	err = d.attempt(ctx, func(ctx context.Context, c *conn) error {
		if err := d.barrier(ctx, c); err != nil {
			return err
		}
		key, there, err := get(ctx, c, d.leader)
		if err != nil {
			return err
		}
		lease, _, err := get(ctx, c, d.leasePath(id))
		if err != nil {
			return err
		}
		var l leaseNode
		follows := c.session.password == passwordOf(c.session.id)
		if !d.holds(id, key, there) || lease.owner != id || json.Unmarshal(lease.value, &l) != nil || l.Granted <= 0 || !follows {
			return d.refused(dcs.ErrLost, key, there)
		}
		g = grant{
			session: session{id: id, asked: time.Duration(l.Asked) * time.Millisecond, password: passwordOf(id)},
			created: time.Duration(l.Granted) * time.Millisecond,
			lineage: l.Lineage,
			version: key.version,
		}
		return nil
	})
	return g, err
}

// begin begins a session of the TTL that holds now.
func (d *DCS) begin(ctx context.Context) (*conn, error) {
	asked := d.wantedTTL()
	c, err := d.attach(ctx, session{asked: asked})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.most = 0; c.granted < asked {
		d.most = c.granted
	}
	if c.granted < asked && d.warned != asked {
		d.warned = asked
		d.log.Warn("the store grants less than ttl: raise maxSessionTimeout on the ZooKeeper servers, or lower ttl", "ttl", asked, "granted", c.granted)
	}
	return c, nil
}

func (d *DCS) setHeld(g grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.held.conn; old != nil && old != g.conn {
		old.close(errReplaced)
	}
	d.held = g
}
