package dcs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
)

// DefaultRequestTimeout bounds a call whose context has no earlier end.
const DefaultRequestTimeout = 10 * time.Second

// ClientOptions are what a Client can be told; the zero value is the default.
type ClientOptions struct {
	// RequestTimeout bounds every call but Watch. Callers with a budget of their
	// own pass a context that ends earlier.
	RequestTimeout time.Duration
	// Clock counts the timeout: by default the machine's.
	Clock clock.Clock
}

// Client is what programs use: one member's handle on one cluster, typed, with a
// deadline on every call and with the rules that are the same on all stores. It
// remembers nothing, and never tries anything twice.
//
// The errors are those of DCS. A call that ran out of time is
// context.DeadlineExceeded, its outcome unknown.
type Client struct {
	dcs     DCS
	timeout time.Duration
	clock   clock.Clock
}

// NewClient wraps a backend. Closing the Client closes it.
func NewClient(d DCS, o ClientOptions) *Client {
	c := &Client{dcs: d, timeout: o.RequestTimeout, clock: o.Clock}
	if c.timeout <= 0 {
		c.timeout = DefaultRequestTimeout
	}
	if c.clock == nil {
		c.clock = clock.System()
	}
	return c
}

// ErrNotAllowed means that a document may not be written this way; nothing was sent.
var ErrNotAllowed = errors.New("not allowed")

// Read returns the cluster as the store has it now.
func (c *Client) Read(ctx context.Context) (cluster Cluster, err error) {
	err = c.within(ctx, func(ctx context.Context) error {
		s, err := c.dcs.Read(ctx)
		if err == nil {
			cluster = ParseCluster(s)
		}
		return err
	})
	return cluster, err
}

// Acquire takes the leader key if nobody holds it. Else ErrHeld.
func (c *Client) Acquire(ctx context.Context) (l Lease, err error) {
	err = c.within(ctx, func(ctx context.Context) error {
		l, err = c.dcs.AttemptToAcquireLeader(ctx)
		return err
	})
	return l, err
}

// Renew extends l and writes docs, all of them or none. ErrLost: l is over.
// ErrConflict: a document had changed and none was written, but the lease that
// comes with it is extended. Any other error: the outcome is unknown, and l is
// still what counts.
func (c *Client) Renew(ctx context.Context, l Lease, docs ...Write) (renewed Lease, err error) {
	if err := checkLeaderDocuments(docs); err != nil {
		return Lease{}, err
	}
	err = c.within(ctx, func(ctx context.Context) error {
		renewed, err = c.dcs.UpdateLeader(ctx, l, docs...)
		return err
	})
	return renewed, err
}

// Release ends exactly l and writes docs with it. From the moment it is called l
// counts as ended, whatever the answer.
func (c *Client) Release(ctx context.Context, l Lease, docs ...Write) error {
	if err := checkLeaderDocuments(docs); err != nil {
		return err
	}
	return c.within(ctx, func(ctx context.Context) error { return c.dcs.ReleaseLeader(ctx, l, docs...) })
}

// Resume goes on with the grant that this member wrote down before it was
// restarted. Else ErrLost.
func (c *Client) Resume(ctx context.Context, id string) (l Lease, err error) {
	err = c.within(ctx, func(ctx context.Context) error {
		l, err = c.dcs.ResumeLeader(ctx, id)
		return err
	})
	return l, err
}

// Touch publishes this member, changed or not; its entry vanishes unless touched
// again within the TTL.
func (c *Client) Touch(ctx context.Context, m Member) error {
	return c.within(ctx, func(ctx context.Context) error { return c.dcs.Touch(ctx, m) })
}

// Put writes a document that any member may write. ErrConflict: it isn't at
// w.Prev any more.
func (c *Client) Put(ctx context.Context, w Write) (v Version, err error) {
	if w.Value == nil {
		return Absent, c.Delete(ctx, w.Key, w.Prev)
	}
	switch w.Key {
	case ConfigKey, FailoverKey, InitializeKey:
	default:
		return Absent, fmt.Errorf("dcs: put %s: %w: only %s, %s and %s may be written by any member", w.Key, ErrNotAllowed, ConfigKey, FailoverKey, InitializeKey)
	}
	err = c.within(ctx, func(ctx context.Context) error {
		v, err = c.dcs.Put(ctx, w)
		return err
	})
	return v, err
}

// PutConfig replaces the dynamic configuration if it is still at prev.
func (c *Client) PutConfig(ctx context.Context, values map[string]any, prev Version) (Version, error) {
	value, err := Configuration{Values: values}.MarshalJSON()
	if err != nil {
		return Absent, fmt.Errorf("dcs: put %s: %w", ConfigKey, err)
	}
	return c.Put(ctx, Write{Key: ConfigKey, Value: value, Prev: prev})
}

// PutFailover asks for a switchover or a failover; the zero Failover takes a
// request back.
func (c *Client) PutFailover(ctx context.Context, f Failover, prev Version) (Version, error) {
	value, err := f.MarshalJSON()
	if err != nil {
		return Absent, err
	}
	return c.Put(ctx, Write{Key: FailoverKey, Value: value, Prev: prev})
}

// PutInitialize writes the system identifier; an empty one with prev Absent
// takes the right to bootstrap.
func (c *Client) PutInitialize(ctx context.Context, systemID string, prev Version) (Version, error) {
	if systemID != "" && !ValidSystemID(systemID) {
		return Absent, fmt.Errorf("dcs: put %s: %s is no system identifier, which has 10 to 20 digits", InitializeKey, excerpt(systemID))
	}
	return c.Put(ctx, Write{Key: InitializeKey, Value: []byte(systemID), Prev: prev})
}

// Delete removes a document that any member may write, or a dead member's entry.
// An absent key is no error unless prev names a version of it.
func (c *Client) Delete(ctx context.Context, key Key, prev Version) error {
	if _, isMember := key.MemberName(); !isMember && key != ConfigKey && key != FailoverKey && key != InitializeKey {
		return fmt.Errorf("dcs: delete %s: %w: only %s, %s, %s and members' entries may be deleted by any member", key, ErrNotAllowed, ConfigKey, FailoverKey, InitializeKey)
	}
	return c.within(ctx, func(ctx context.Context) error { return c.dcs.Delete(ctx, key, prev) })
}

// RemoveCluster deletes everything under the cluster's path, the leader key
// included.
func (c *Client) RemoveCluster(ctx context.Context) error {
	return c.within(ctx, c.dcs.RemoveCluster)
}

// Watch signals that a Read may show news; see DCS.
func (c *Client) Watch(ctx context.Context) <-chan struct{} { return c.dcs.Watch(ctx) }

// Quiet is the time in which nothing changed, as far as a Watch proves it; see DCS.
func (c *Client) Quiet() (from, until clock.Instant) { return c.dcs.Quiet() }

// SetTTL holds from the next grant on; see DCS.
func (c *Client) SetTTL(ttl time.Duration) { c.dcs.SetTTL(ttl) }

// LeaseFor is what a grant lasts that is made under this TTL; see DCS.
func (c *Client) LeaseFor(ttl time.Duration) time.Duration { return c.dcs.LeaseFor(ttl) }

// Close lets go of the store and keeps the lease.
func (c *Client) Close() error { return c.dcs.Close() }

// within bounds one call, and says so if that is why it failed.
func (c *Client) within(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := clock.WithTimeout(ctx, c.clock, c.timeout)
	defer cancel()
	err := call(ctx)
	if err == nil || isDefinite(err) || ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func isDefinite(err error) bool {
	return errors.Is(err, ErrHeld) || errors.Is(err, ErrLost) || errors.Is(err, ErrConflict)
}

// checkLeaderDocuments refuses what a store would refuse, or what would break
// the lease, before anything is sent.
func checkLeaderDocuments(docs []Write) error {
	seen := make(map[Key]bool, len(docs))
	for _, d := range docs {
		_, isMember := d.Key.MemberName()
		switch {
		case d.Key == "" || d.Key == LeaderKey || isMember:
			return fmt.Errorf("dcs: write %q with the lease: %w: the leader key and members' entries have verbs of their own", d.Key, ErrNotAllowed)
		case seen[d.Key]:
			return fmt.Errorf("dcs: write %s with the lease: %w: it is given twice", d.Key, ErrNotAllowed)
		}
		seen[d.Key] = true
	}
	return nil
}
