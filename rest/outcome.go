package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

const (
	// lookAgain is how long a change in the store may stay unnoticed if no hint
	// came of it.
	lookAgain = time.Second
	// promoting is how long a new leader is given to say that it is primary.
	promoting = 2 * time.Second
)

// await watches the store until the request has an outcome: another leader, and
// that one says that it is primary; or the request is gone without one.
func (s *Server) await(ctx context.Context, hints <-chan struct{}, what action, q succession, old string, settings ha.Settings) *refusal {
	limit := 2 * max(10*time.Second, settings.LoopWait)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	var wonAt time.Time
	asked := time.Now()
	for {
		c, err := s.agent.Client().Read(ctx)
		if err == nil {
			if name := c.LeaderName(); name != "" && name != old {
				if wonAt.IsZero() {
					wonAt = time.Now()
				}
				if leading(c, settings) || time.Since(wonAt) >= promoting {
					return succeeded(what, q.candidate, name)
				}
			} else if !c.Failover.Requested() {
				return refuse(http.StatusServiceUnavailable, "%s failed%s", what.title(), s.whyRefused(asked))
			}
		}
		select {
		case <-hints:
		case <-tick.C:
		case <-ctx.Done():
			return refuse(http.StatusServiceUnavailable, "%s status unknown after %d seconds; operation may still be in progress",
				what.title(), int(limit.Seconds()))
		}
	}
}

// leading says whether the holder of the leader key says itself that it is in
// office.
func leading(c dcs.Cluster, settings ha.Settings) bool {
	m, _ := c.LeaderMember()
	return m.State == stateRunning && (m.Role == rolePrimary || settings.Standby())
}

func succeeded(what action, candidate, leader string) *refusal {
	if candidate != "" && candidate != leader {
		return refuse(http.StatusOK, `%s to "%s" instead of "%s"`, action(what.done()).title(), leader, candidate)
	}
	return refuse(http.StatusOK, `Successfully %s to "%s"`, what.done(), leader)
}

// whyRefused is the agent's own word on a request that it has refused since then,
// behind a colon. Only the leader's agent has one.
func (s *Server) whyRefused(since time.Time) string {
	for _, d := range slices.Backward(s.agent.Decisions()) {
		if d.Rule == "failover/refused" && !d.At.Before(since) {
			why := strings.TrimPrefix(d.Reason, "manual failover: ")
			return ": " + strings.TrimPrefix(why, "switchover: ")
		}
	}
	return ""
}
