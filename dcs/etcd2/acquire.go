package etcd2

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// candidate is a series of attempts to take the leader key. Its mark is a hidden
// key that whoever attempts under our name writes first. The leader key's value
// is a name only, so after a lost answer this tells our own creation from that of
// another agent that goes by the same name: see settled.
type candidate struct {
	mark  string
	index uint64        // at which the mark was written
	until clock.Instant // the mark counts no longer
	sent  bool          // the outcome of an attempt stayed unknown
}

// AttemptToAcquireLeader implements dcs.DCS.
func (d *DCS) AttemptToAcquireLeader(ctx context.Context) (dcs.Lease, error) {
	const verb = "acquire the leader key"
	if err := d.needName(verb); err != nil {
		return dcs.Lease{}, err
	}
	if err := d.acquiring.Take(ctx); err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	defer d.acquiring.Give()
	l, err := d.acquire(ctx)
	if err != nil {
		return dcs.Lease{}, failed(verb, err)
	}
	return l, nil
}

func (d *DCS) acquire(ctx context.Context) (dcs.Lease, error) {
	const tries = 3 // a grant can end between two requests, but not again and again
	for range tries {
		c, err := d.prepare(ctx)
		if err != nil {
			return dcs.Lease{}, err
		}
		a, err := d.create(ctx, c)
		if hasCode(err, codeExists) {
			n, err := d.look(ctx, d.leaderKey())
			switch {
			case err != nil:
				return dcs.Lease{}, err
			case n == nil:
				continue
			case !c.sent || n.Value != d.name || n.CreatedIndex <= c.index:
				if !c.sent {
					d.candidate = nil
				}
				return dcs.Lease{}, d.refused(dcs.ErrHeld, n)
			}
			return d.settled(ctx, c, n)
		}
		if err != nil {
			return dcs.Lease{}, err
		}
		l, err := d.lease(a, d.wantedTTL())
		if err != nil {
			return dcs.Lease{}, err
		}
		return l, d.take(ctx, c, a.Node)
	}
	return dcs.Lease{}, fmt.Errorf("the key ended %d times in a row while it was looked at", tries)
}

// prepare returns a candidate whose mark stands: that of an attempt of unknown
// outcome if there is one.
func (d *DCS) prepare(ctx context.Context) (*candidate, error) {
	if c := d.candidate; c != nil && c.sent && d.clock.Now().Before(c.until) {
		return c, nil
	}
	c, err := d.mark(ctx)
	if err != nil {
		return nil, fmt.Errorf("mark the attempt: %w", err)
	}
	d.candidate = c
	return c, nil
}

// mark writes a mark in the place of the one that stands. One that an attempt before
// had sent, and that arrives only now, is refused: it was to replace another one.
func (d *DCS) mark(ctx context.Context) (*candidate, error) {
	const tries = 3
	ttl := 2*d.wantedTTL() + time.Minute
	c := &candidate{mark: rand.Text(), until: d.clock.Now().Add(ttl / 2)}
	for range tries {
		stands, err := d.look(ctx, d.markKey())
		switch {
		case err != nil:
			return nil, err
		case stands != nil && stands.Value == c.mark: // whose answer didn't come
			c.index = stands.ModifiedIndex
			return c, nil
		}
		form := url.Values{"value": {c.mark}, "ttl": {seconds(ttl)}, "prevExist": {"false"}}
		if stands != nil {
			form.Set("prevExist", "true")
			form.Set("prevIndex", strconv.FormatUint(stands.ModifiedIndex, 10))
		}
		a, err := d.attempt(ctx, request{method: http.MethodPut, key: d.markKey(), form: form})
		switch {
		case err == nil:
			c.index = a.Node.ModifiedIndex
			return c, nil
		case !isMoved(err) && !hasCode(err, codeExists):
			return nil, err
		}
	}
	return nil, fmt.Errorf("it was replaced %d times in a row", tries)
}

// markKey is one element, whatever the name.
func (d *DCS) markKey() string {
	return d.root + "/" + hiddenPrefix + "attempts/" + url.PathEscape(d.name)
}

// create puts the leader key if it is absent.
func (d *DCS) create(ctx context.Context, c *candidate) (answer, error) {
	before := c.sent
	c.sent = true // until the grant is handed out
	a, err := d.attempt(ctx, request{method: http.MethodPut, key: d.leaderKey(), form: url.Values{
		"value": {d.name}, "prevExist": {"false"}, "ttl": {seconds(d.wantedTTL() + allowance)},
	}})
	if isFinal(err) && a.tries == 1 {
		c.sent = before // an earlier one may still be under way
	}
	return a, err
}

// settled takes a key that was created in our name after our mark, by an attempt
// whose answer didn't come.
func (d *DCS) settled(ctx context.Context, c *candidate, n *node) (dcs.Lease, error) {
	if err := d.take(ctx, c, n); err != nil {
		return dcs.Lease{}, err
	}
	return d.renew(ctx, d.grant(n))
}

// errTwin means that another agent goes by our name.
var errTwin = errors.New("another agent attempts it under the same name")

// take makes sure that nobody else can take this creation of the leader key for
// his own, and that no former leader's writes are to come.
//
// Everybody writes his mark before he creates the key, and reads it afterwards. Of
// two that go by the same name and both believe to have created this key, the one
// that read its own mark last wrote it after the other had read his, so after the
// key was there; and a key that is older than the mark isn't taken.
func (d *DCS) take(ctx context.Context, c *candidate, n *node) error {
	mark, err := d.look(ctx, d.markKey())
	if err != nil {
		return err
	}
	if mark == nil || mark.Value != c.mark || mark.ModifiedIndex != c.index {
		d.candidate = nil
		return errTwin
	}
	h := held{grant: d.grant(n), index: n.ModifiedIndex}
	if h.documents, err = d.claim(ctx); err != nil {
		return err // the next attempt finds the key in our name
	}
	d.candidate = nil
	d.setHeld(h)
	return nil
}

func seconds(ttl time.Duration) string { return strconv.FormatInt(int64(ttl/time.Second), 10) }
