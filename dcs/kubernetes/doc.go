// Package kubernetes keeps clusters in annotations of Kubernetes objects, one of
// Endpoints or ConfigMaps for each kind of document; the members' entries are
// annotations of their Pods.
//
// # Grants
//
// The API server has no leases that end by themselves: a leader record says when
// it was written last and how long it lasts, and whoever wants to succeed it
// counts that time on his own clock, from when he saw the record change last.
// Nobody compares wall clocks. What a member saw is written down (Options.Observed)
// with the boot id, so that a restart goes on counting.
//
// Every write of the record names the resourceVersion of the record that was
// judged, which comes from the answer to our own last write or from a GET right
// before: of two successors only one wins, and a renewal that arrives late finds
// another version.
//
// A grant is named by the record's transitions and acquireTime; our acquire always
// sets acquireTime anew.
//
// # Documents
//
// One object holds several documents, and no transaction spans two objects. The
// documents status and failsafe are annotations of the leader object and go with
// the write that renews. Those on other objects are written after the renewal was
// confirmed, at a resourceVersion that was read before it; and an acquire marks the
// objects that hold what only the leader may write before it returns. So a former
// leader that wakes up late finds another version, whatever it had prepared.
//
// A document's version doesn't change when only its object does. Beside the
// annotations that Patroni knows there are some of ours, with the prefix regent/:
// they tell two writes of the same value apart, and keep a value that the fields
// can't express.
//
// An object that is gone is no released lock: the leader key counts as absent if
// the config object is there. Without it a renewal's outcome is unknown.
//
// # Connections
//
// Open doesn't touch the network. A request that isn't answered within a tenth of
// the TTL is sent again over another connection, and every request is made so that
// being carried out twice does no harm. Answers that say "later" are waited for as
// long as the call's context lives.
package kubernetes
