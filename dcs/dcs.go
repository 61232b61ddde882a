package dcs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Lease is the right to lead as the store granted it, in the worst case for us.
type Lease struct {
	// ID names this grant, the same through all its renewals: an etcd lease, a
	// Consul or ZooKeeper session, transitions and acquireTime on Kubernetes.
	// It is never the member's name.
	ID string
	// Since was read just before the request that last extended the grant was
	// sent, which need not be the one that put the key.
	Since clock.Instant
	// For is what the server granted: it can't let the key go before Since+For.
	For time.Duration
}

// End is the first instant at which the store may give the key to another.
func (l Lease) End() clock.Instant { return l.Since.Add(l.For) }

// Key names a document relative to the cluster's path.
type Key string

// The documents of a cluster.
const (
	ConfigKey      Key = "config"
	InitializeKey  Key = "initialize"
	FailoverKey    Key = "failover"
	StatusKey      Key = "status"
	HistoryKey     Key = "history"
	SyncKey        Key = "sync"
	FailsafeKey    Key = "failsafe"
	OptimeKey      Key = "optime/leader" // of old writers; read if there is no status
	LeaderKey      Key = "leader"        // never a document: only the verbs of the lease write it
	memberKeySpace     = "members/"
)

// MemberKey is the entry of one member.
func MemberKey(name string) Key { return Key(memberKeySpace + name) }

// MemberName is the inverse of MemberKey.
func (k Key) MemberName() (name string, ok bool) {
	return strings.CutPrefix(string(k), memberKeySpace)
}

// Version is opaque and comparable: what a document was when it was read.
type Version string

// Conditions of a write.
const (
	Absent Version = ""  // only if there is no such key
	Any    Version = "*" // unconditional
)

// Document is a value with its version.
type Document struct {
	Value   []byte
	Version Version
}

// Write is one document under a condition; a nil Value deletes it.
type Write struct {
	Key   Key
	Value []byte
	Prev  Version
}

// Holder is whom the leader key names.
type Holder struct {
	Name    string
	Grant   string // comparable with Lease.ID; what ResumeLeader takes
	Lineage string // another one after every creation of the key
}

// Snapshot is every key of a cluster at one moment.
type Snapshot struct {
	Sent      clock.Instant    // read just before the first request was sent
	Leader    *Holder          // nil: absent, or expired by the store's rule
	Documents map[Key]Document // all others under the path, legacy and unknown ones too
}

// Definite refusals. After any other error the outcome is unknown: read again
// before acting.
var (
	// ErrHeld means that the leader key exists and isn't ours to take.
	ErrHeld = errors.New("the leader key is held")
	// ErrLost means that the grant no longer holds the leader key.
	ErrLost = errors.New("the lease is lost")
	// ErrConflict means that a document isn't at the version it was expected at.
	ErrConflict = errors.New("the document was changed by another")
	// ErrObserver means that the handle was opened without a member's name.
	ErrObserver = errors.New("opened without a member name: this handle only observes")
)

// RefusedError is a definite no. errors.Is finds ErrHeld or ErrLost in it.
type RefusedError struct {
	Err    error
	Holder *Holder // whom the key names; nil: the key is absent
}

func (e *RefusedError) Error() string {
	if e.Holder == nil {
		return e.Err.Error() + " (the key is absent)"
	}
	return fmt.Sprintf("%v (by %s)", e.Err, e.Holder.Name)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// DCS is one member's handle on one cluster, and all that a backend implements:
// where keys live, how a grant is kept, how a change is noticed. What must be
// equal on all stores is in Client. Path, member name, TTL and clock are options
// of the backend's constructor; without a name the handle only observes, and
// AttemptToAcquireLeader, UpdateLeader, ReleaseLeader, ResumeLeader and Touch
// return ErrObserver.
//
// All methods may be called at the same time from several goroutines. Each ends
// within its context. An error that is none of ErrHeld, ErrLost, ErrConflict
// leaves the outcome unknown.
type DCS interface {
	// Read returns every key of the cluster, linearizable where the store can.
	Read(ctx context.Context) (Snapshot, error)
	// AttemptToAcquireLeader creates the leader key, only if it is absent (or
	// expired by the store's rule). Else ErrHeld. An attempt whose outcome
	// stayed unknown is settled by the next call: it uses the same grant, and a
	// key that holds it is a win.
	AttemptToAcquireLeader(ctx context.Context) (Lease, error)
	// UpdateLeader extends exactly l and writes docs. Success means: the store
	// confirmed, after the call began, that l holds the key, docs or not. Else
	// ErrLost. A doc whose Prev doesn't match is ErrConflict, returned with the
	// extended Lease, no doc written. The ID differs from l's when SetTTL moved
	// the key to a new grant.
	UpdateLeader(ctx context.Context, l Lease, docs ...Write) (Lease, error)
	// ReleaseLeader ends exactly l, never a later grant of the same name. From
	// the moment it is sent l counts as ended, whatever the answer. A doc whose
	// Prev doesn't match is ErrConflict: l has ended, no doc is written. ErrLost:
	// l held the key no more.
	ReleaseLeader(ctx context.Context, l Lease, docs ...Write) error
	// ResumeLeader lets a restarted agent go on with the grant that it wrote
	// down. Else ErrLost.
	ResumeLeader(ctx context.Context, id string) (Lease, error)
	// Touch publishes this member under the name of the handle; its entry
	// vanishes unless touched again within the TTL. It never extends the leader's
	// lease.
	Touch(ctx context.Context, m Member) error
	// Put and Delete are for documents that any member may write (config,
	// failover, initialize), under a condition. Else ErrConflict. Deleting an
	// absent key is a success unless prev names a version.
	Put(ctx context.Context, w Write) (Version, error)
	Delete(ctx context.Context, key Key, prev Version) error
	// RemoveCluster deletes everything under the cluster's path.
	RemoveCluster(ctx context.Context) error
	// Watch signals that a Read may show news: a hint, never data. Hints that
	// nobody took merge. It fires when the watch first stands, so that nothing is
	// missed between a Read and it, and after each interruption that may have hidden
	// something. The channel closes only when ctx ends.
	Watch(ctx context.Context) <-chan struct{}
	// Quiet is what a Watch that stands has proven: whatever a Read showed that was
	// sent at from or later was still so at until, less the moment that a server
	// needs to notice that it was cut off from the others. Both are zero where
	// nothing is proven, which is no fault: then only a Read tells.
	Quiet() (from, until clock.Instant)
	// SetTTL holds from the next grant on; it never lengthens a Lease already
	// handed out and never gives the key up.
	SetTTL(ttl time.Duration)
	// LeaseFor is what a grant lasts that is made under this TTL: the TTL, or less
	// where the store promises less. None lasts shorter.
	LeaseFor(ttl time.Duration) time.Duration
	// Close keeps the lease, so that a restart can resume it.
	Close() error
}
