package ha

import "time"

// PledgeRequest is the body of POST /failsafe.
type PledgeRequest struct {
	Name    string            `json:"name"` // of the leader that asks
	ConnURL string            `json:"conn_url"`
	APIURL  string            `json:"api_url"`
	Slots   map[string]uint64 `json:"slots"`
	// Terms are what a leader of ours asks for. Nil: the leader is Patroni's, which
	// names no cluster and no grant, and counts on the ttl of whom it asks.
	Terms *PledgeTerms `json:"regent,omitempty"`
}

// PledgeTerms are what a pledge is about: in a request what is asked for, in an
// answer what was given.
type PledgeTerms struct {
	SystemID string `json:"system_identifier"` // of the cluster's data
	Scope    string `json:"scope"`             // of the cluster
	Giver    string `json:"giver"`             // the member that keeps still
	Taker    string `json:"taker"`             // the leader that it keeps still for
	Grant    string `json:"grant"`             // of the leader key, that the taker led under
	TTL      int64  `json:"ttl"`               // for how long, in seconds
}

// PledgeAnswer is a pledge that was given, in its giver's own words.
type PledgeAnswer struct {
	LSN   uint64 // up to where it has our WAL, in bytes
	Terms PledgeTerms
	// Patroni says that the answer named nothing, as Patroni's: the cluster and the
	// giver in Terms are from that member's status, and the rest is zero.
	Patroni bool
}

// to is the request as it is sent to one member.
func (r PledgeRequest) to(giver string) PledgeRequest {
	terms := *r.Terms
	terms.Giver = giver
	r.Terms = &terms
	return r
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
