package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

var _ ha.Peers = (*Client)(nil)

// Status is what a member says of itself: the parts of GET /patroni that others
// decide by. Fields that it doesn't send are zero.
type Status struct {
	State         string     `json:"state"`
	Role          string     `json:"role"`
	ServerVersion int        `json:"server_version"`
	XLog          *Positions `json:"xlog"`
	WAL           *Positions `json:"wal"` // what others call XLog
	Timeline      uint32     `json:"timeline"`
	Tags          dcs.Tags   `json:"tags"`
	Watchdog      bool       `json:"watchdog_failed"`
	Pause         bool       `json:"pause"`
	SystemID      string     `json:"database_system_identifier"`
	Patroni       struct {
		Version string `json:"version"`
		Scope   string `json:"scope"`
		Name    string `json:"name"`
	} `json:"patroni"`
	Regent *struct {
		Version string `json:"version"`
		Unfit   string `json:"unfit"`
		Passing bool   `json:"passing"` // what makes it unfit may be over in a moment
		// PledgedTo is the leader that it keeps still for.
		PledgedTo string `json:"pledged_to"`
		// NoPledges says that no pledges of others count for it, and that it asks for none.
		NoPledges bool `json:"no_pledges"`
	} `json:"regent"` // nil: it isn't one of ours
}

// Positions are in bytes; nil: not said.
type Positions struct {
	Location *uint64 `json:"location"`
	Received *uint64 `json:"received_location"`
	Replayed *uint64 `json:"replayed_location"`
}

// Status asks the member at apiURL how it is.
func (c *Client) Status(ctx context.Context, apiURL string) (Status, error) {
	reply, err := c.Send(ctx, http.MethodGet, apiURL, "/patroni", nil)
	if err != nil {
		return Status{}, err
	}
	if reply.Status != http.StatusOK {
		return Status{}, fmt.Errorf("rest: GET %s: it answered %d", apiURL, reply.Status)
	}
	var s Status
	if err := json.Unmarshal(reply.Body, &s); err != nil {
		return Status{}, fmt.Errorf("rest: GET %s: it answered no status: %w", apiURL, err)
	}
	return s, nil
}

// Peer is what an election needs of a status.
func (s Status) Peer() ha.PeerStatus {
	wal := s.XLog
	if wal == nil {
		wal = s.WAL
	}
	p := ha.PeerStatus{
		Name: s.Patroni.Name, Scope: s.Patroni.Scope, SystemID: s.SystemID,
		Running: wal != nil, Timeline: s.Timeline, Watchdog: s.Watchdog,
		NoFailover: s.Tags.NoFailover(), Priority: s.Tags.FailoverPriority(),
	}
	if s.Regent != nil {
		p.Unfit, p.Passing = s.Regent.Unfit, s.Regent.Passing
		p.PledgedTo, p.NoPledges = s.Regent.PledgedTo, s.Regent.NoPledges
	}
	if wal == nil {
		return p
	}
	p.InRecovery = wal.Location == nil && s.Role != rolePrimary && s.Role != "master"
	for _, lsn := range []*uint64{wal.Location, wal.Received, wal.Replayed} {
		if lsn != nil {
			p.Location = max(p.Location, *lsn)
		}
	}
	return p
}

// Ask implements ha.Peers. Only an answer or a refused connection ends it before
// ctx does, which must end: what else goes wrong on the way says nothing about
// the member, and is tried again.
func (c *Client) Ask(ctx context.Context, m dcs.Member) (p ha.PeerStatus, err error) {
	err = insist(ctx, func() error {
		s, err := c.Status(ctx, m.APIURL)
		p = s.Peer()
		return err
	})
	if err != nil {
		return ha.PeerStatus{}, err
	}
	return p, nil
}

// Pledge implements ha.Peers. It insists as Ask does. A member that accepts and
// names nothing, as Patroni's do, is asked for its status: whose it is.
func (c *Client) Pledge(ctx context.Context, apiURL string, p ha.PledgeRequest) (answer ha.PledgeAnswer, err error) {
	err = insist(ctx, func() error {
		answer, err = c.pledge(ctx, apiURL, p)
		return err
	})
	if err != nil {
		return ha.PledgeAnswer{}, err
	}
	return answer, nil
}

func (c *Client) pledge(ctx context.Context, apiURL string, p ha.PledgeRequest) (answer ha.PledgeAnswer, err error) {
	reply, err := c.Send(ctx, http.MethodPost, apiURL, "/failsafe", p)
	if err != nil {
		return answer, err
	}
	if reply.Status != http.StatusOK || reply.Text() != accepted {
		return answer, fmt.Errorf("rest: POST %s: it answered %d %s", apiURL, reply.Status, excerpt(reply.Text()))
	}
	answer.LSN, _ = strconv.ParseUint(reply.Header.Get("lsn"), 10, 64)
	if terms := reply.Header.Get(termsHeader); terms != "" {
		if err := json.Unmarshal([]byte(terms), &answer.Terms); err != nil {
			return answer, fmt.Errorf("rest: POST %s: its header %s is %s: %w", apiURL, termsHeader, excerpt(terms), err)
		}
		return answer, nil
	}
	s, err := c.Status(ctx, apiURL)
	if err != nil {
		return answer, fmt.Errorf("rest: whose pledge this is: %w", err)
	}
	answer.Patroni = true
	answer.Terms = ha.PledgeTerms{SystemID: s.SystemID, Scope: s.Patroni.Scope, Giver: s.Patroni.Name}
	return answer, nil
}

// retryPause is between two tries to reach a member.
const retryPause = 100 * time.Millisecond

// insist repeats try until it is settled or ctx ends.
func insist(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || !silent(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

// silent says whether err is no word of the member: it neither answered nor
// refused the connection.
func silent(err error) bool {
	var broken *transportError
	return errors.As(err, &broken) && !errors.Is(err, syscall.ECONNREFUSED)
}

// transportError is a request without an answer.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

func excerpt(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strconv.QuoteToASCII(text)
}
