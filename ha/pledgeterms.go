package ha

import (
	"errors"
	"fmt"
	"time"
)

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

// given says for how long a counts as the pledge that r asks for, r being the request
// as that member got it. An error says what it is instead: at the member's address
// somebody else may answer by now, another member or another cluster's.
func (r PledgeRequest) given(a PledgeAnswer, notOurs bool) (time.Duration, error) {
	asked, got := *r.Terms, a.Terms
	switch {
	case a.Patroni && !notOurs:
		return 0, errors.New("its answer names no giver and no grant, and it isn't known to be a member of another program")
	case got.SystemID != asked.SystemID:
		return 0, fmt.Errorf("at its address a member of the system %q answers, not %q", got.SystemID, asked.SystemID)
	case got.Scope != asked.Scope:
		return 0, fmt.Errorf("at its address a member of the cluster %q answers, not %q", got.Scope, asked.Scope)
	case a.Patroni && got.Giver == "": // 3.0 doesn't tell its name
		return seconds(asked.TTL), nil
	case got.Giver != asked.Giver:
		return 0, fmt.Errorf("at its address the member %q answers", got.Giver)
	case a.Patroni:
		return seconds(asked.TTL), nil
	case got.Taker != asked.Taker || got.Grant != asked.Grant:
		return 0, fmt.Errorf("its pledge is to %q, or for another grant than the one that was named", got.Taker)
	case got.TTL <= 0:
		return 0, fmt.Errorf("its pledge is for %d s", got.TTL)
	}
	return seconds(min(got.TTL, asked.TTL)), nil
}

// terms are those of a pledge that we give.
func (g pledgeGiver) terms(r PledgeRequest) PledgeTerms {
	t := PledgeTerms{SystemID: g.SystemID, Scope: g.Scope, Giver: g.Name, Taker: r.Name, TTL: int64(g.TTL / time.Second)}
	if r.Terms != nil {
		t.Grant = r.Terms.Grant
	}
	return t
}

// notOurs are those of members whose entries, as they were last seen, are another
// program's. One that was never seen may be ours.
func (a *Agent) notOurs(members map[string]string) map[string]bool {
	names := map[string]bool{}
	for name := range members {
		if m, seen := a.known[name]; seen && m.Regent == "" {
			names[name] = true
		}
	}
	return names
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
