package etcd2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// held is what we know of the grant that holds the leader key for us. What it says
// may be old: every write is conditional.
type held struct {
	grant     string
	index     uint64             // of the leader key
	documents map[dcs.Key]uint64 // indices of documents since we hold the key
}

func (d *DCS) setHeld(h held) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = h
}

// known is what we know of a grant; nothing but its name if it isn't ours.
func (d *DCS) known(grant string) held {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := held{grant: grant, documents: map[dcs.Key]uint64{}}
	if d.held.grant == grant && grant != "" {
		h.index = d.held.index
		maps.Copy(h.documents, d.held.documents)
	}
	return h
}

// UpdateLeader implements dcs.DCS.
func (d *DCS) UpdateLeader(ctx context.Context, l dcs.Lease, docs ...dcs.Write) (dcs.Lease, error) {
	const verb = "renew the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	if err := d.renewing.Take(ctx); err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	defer d.renewing.Give()
	var err error
	if len(docs) == 0 {
		l, err = d.renew(ctx, l.ID)
	} else {
		l, err = d.update(ctx, l.ID, docs)
	}
	switch {
	case errors.Is(err, dcs.ErrConflict):
		return l, failed(verb, err)
	case err != nil:
		return dcs.Lease{}, failed(verb, err)
	}
	return l, nil
}

// renew extends the grant and makes sure that it holds the key: one write, at the
// index of the key that we know.
func (d *DCS) renew(ctx context.Context, grant string) (dcs.Lease, error) {
	return d.extend(ctx, d.known(grant), d.wantedTTL())
}

func (d *DCS) extend(ctx context.Context, h held, ttl time.Duration) (dcs.Lease, error) {
	for {
		if h.index == 0 {
			n, err := d.look(ctx, d.leaderKey())
			switch {
			case err != nil:
				return dcs.Lease{}, err
			case !d.isOurs(n, h.grant):
				return dcs.Lease{}, d.refused(dcs.ErrLost, n)
			}
			h.index = n.ModifiedIndex
		}
		a, err := d.attempt(ctx, d.renewal(h.index, ttl))
		if isMoved(err) { // by another, or by a try of ours whose answer didn't come
			h.index = 0
			continue
		}
		if err != nil {
			return dcs.Lease{}, err
		}
		h.index = a.Node.ModifiedIndex
		d.setHeld(h)
		return d.lease(a, ttl)
	}
}

// renewal is the leader key's for another ttl, at the index and with the value that
// it has. Nobody who watches the key hears of it.
func (d *DCS) renewal(index uint64, ttl time.Duration) request {
	return request{method: http.MethodPut, key: d.leaderKey(), form: url.Values{
		"prevIndex": {strconv.FormatUint(index, 10)}, "prevValue": {d.name}, "refresh": {"true"}, "ttl": {seconds(ttl + allowance)},
	}}
}

// lease is what the server granted with an answer that put the leader key for ttl
// and the allowance. What another server's clock is ahead by is taken off it, since
// that one may be whose clock ends the key.
func (d *DCS) lease(a answer, ttl time.Duration) (dcs.Lease, error) {
	if a.Node.Expiration == nil {
		return dcs.Lease{}, fmt.Errorf("%w: the leader key has no end", errNotOurs)
	}
	shown := a.Node.Expiration.Add(-ttl - allowance)
	lead, server := d.clocks.ahead(shown, a.sent)
	if d.clocks.set(lead) {
		if lead > 0 {
			d.log.Warn("the clock of a server of the store is ahead of another's: leases are shorter by it", "server", server, "asked", a.server, "ahead", lead)
		} else {
			d.log.Info("the clocks of the store's servers agree again")
		}
	}
	if lead >= ttl {
		return dcs.Lease{}, fmt.Errorf("the clock of %s is %v ahead of that of %s, and the lease would be over at once", server, lead, a.server)
	}
	return dcs.Lease{ID: d.grant(a.Node), Since: a.sent, For: ttl - lead}, nil
}

// ResumeLeader implements dcs.DCS. The store knows when the key ends, not what TTL it
// was put with: the grant goes on for the TTL of this handle, or what it had left if
// that is more.
func (d *DCS) ResumeLeader(ctx context.Context, id string) (dcs.Lease, error) {
	const verb = "resume the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	n, err := d.look(ctx, d.leaderKey())
	switch {
	case err != nil:
		return dcs.Lease{}, failed(verb, err)
	case !d.isOurs(n, id):
		return dcs.Lease{}, failed(verb, d.refused(dcs.ErrLost, n))
	}
	ttl := d.wantedTTL()
	if n.Expiration != nil {
		ttl = max(ttl, time.Duration(n.TTL)*time.Second-allowance)
	}
	l, err := d.extend(ctx, held{grant: id, index: n.ModifiedIndex, documents: map[dcs.Key]uint64{}}, ttl)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return l, nil
}
