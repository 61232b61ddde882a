package consul

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// longestDelay is the longest lock delay that Consul keeps, whatever it is asked
// for (structs.MaxLockDelay). A session that ends early frees its key after it, so
// no promise reaches further.
const longestDelay = time.Minute

// grant is a session, the zero grant being none.
type grant struct {
	id    string
	asked time.Duration // the TTL that was asked for; 0: by somebody else
	since clock.Instant
	ttl   time.Duration // what the server promises

	// The last time that a linearizable answer showed the leader key under the
	// session and in our name: the instant before it was asked for.
	known     bool
	confirmed clock.Instant
}

func (g grant) lease() dcs.Lease { return dcs.Lease{ID: g.id, Since: g.since, For: g.ttl} }

// isSession tells what can be the ID of a session; nothing else is put into the
// path of a request.
var isSession = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString

// shortestTTL finds, in Consul's refusal, the least TTL that it takes
// (session_ttl_min in its configuration).
var shortestTTL = regexp.MustCompile(`Invalid Session TTL .* must be between \[([0-9a-z.]+)=`)

// LeaseFor implements dcs.DCS.
func (d *DCS) LeaseFor(ttl time.Duration) time.Duration { return min(sessionTTL(ttl), longestDelay) }

// sessionTTL is what a session is asked for: half of the cluster's TTL, as Patroni
// does.
func sessionTTL(ttl time.Duration) time.Duration {
	return max((ttl / 2).Truncate(time.Millisecond), time.Millisecond)
}

// newGrant makes a session with the TTL that holds now. What it is for stands in
// its name.
func (d *DCS) newGrant(ctx context.Context, purpose string, delay time.Duration) (grant, error) {
	asked := d.wantedTTL()
	ttl := asked
	for {
		g, err := d.createSession(ctx, purpose, ttl, delay)
		var refusal *statusError
		if errors.As(err, &refusal) {
			if m := shortestTTL.FindStringSubmatch(refusal.text); m != nil {
				if least, bad := time.ParseDuration(m[1]); bad == nil && least > ttl {
					ttl = least
					continue
				}
			}
		}
		if err != nil {
			return grant{}, fmt.Errorf("create a session: %w", err)
		}
		g.asked = asked
		return g, nil
	}
}

// createSession may leave one behind whose answer was lost; it ends by itself.
func (d *DCS) createSession(ctx context.Context, purpose string, ttl, delay time.Duration) (grant, error) {
	if delay == 0 {
		delay = min(ttl, longestDelay)
	}
	g := grant{ttl: min(ttl, longestDelay)}
	entry := &api.SessionEntry{
		Name:       fmt.Sprintf("%s-%s %s", d.options.Path.Scope, d.name, purpose),
		TTL:        ttl.String(),
		LockDelay:  delay,
		Behavior:   api.SessionBehaviorDelete,
		NodeChecks: d.options.Checks,
	}
	create := d.client.Session().CreateNoChecks
	if len(d.options.Checks) > 0 {
		create = d.client.Session().Create
	}
	err := d.attempt(ctx, func(ctx context.Context) (err error) {
		g.since = d.clock.Now()
		g.id, _, err = create(entry, writing(ctx))
		if err == nil && !isSession(g.id) {
			err = fmt.Errorf("the answer has no session ID: %w", errNotConsul)
		}
		return err
	})
	return g, err
}

// errSessionGone is the server's word that a session is no more.
var errSessionGone = errors.New("the session has ended on the server")

// extend makes a session last for another TTL. A server's leader that was deposed
// without knowing it answers as well: see grant.confirmed.
func (d *DCS) extend(ctx context.Context, g grant) (grant, error) {
	err := d.attempt(ctx, func(ctx context.Context) error {
		since := d.clock.Now()
		entry, _, err := d.client.Session().Renew(g.id, writing(ctx))
		switch {
		case err != nil:
			return err
		case entry == nil || entry.ID != g.id:
			return errSessionGone
		}
		ttl, err := time.ParseDuration(entry.TTL)
		if err != nil || ttl <= 0 {
			return fmt.Errorf("session %s has the TTL %q", g.id, entry.TTL)
		}
		g.since, g.ttl = since, min(ttl, longestDelay)
		return nil
	})
	if err != nil && !errors.Is(err, errSessionGone) {
		err = fmt.Errorf("renew session %s: %w", g.id, err)
	}
	return g, err
}

// destroy ends a session that holds no key, best effort: it ends by itself too,
// and with it every request that may still be under way for it.
func (d *DCS) destroy(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	d.once(ctx, func(ctx context.Context) error {
		_, err := d.client.Session().Destroy(id, writing(ctx))
		return err
	})
}
