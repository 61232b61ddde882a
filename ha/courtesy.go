package ha

import (
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// A member leaves the lead to another for handedOverWait at most, counted over the
// time in which the leader key was free for that one to take. It begins anew when
// somebody has really led, as primary: who wins the key and gives it back again and
// again has had its time, and while one holds it that comes to nothing the others
// aren't heard, so that time isn't theirs. Nor is the time in which we couldn't lead
// ourselves: what held us back may have held the other back, too, and its end comes to
// one of us first.

// handedOverWait is what a former leader, and whoever is behind another, leaves the
// others to take over in before it runs for leader itself: the silence of a dead
// member and two rounds.
const handedOverWait = peerSilence + 2*electionRound

// vacantFor is for how long nobody has held the leader key since somebody led.
func vacantFor(v view) time.Duration {
	return v.Memory.Courtesy + v.Memory.vacancy(v.Now)
}

// vacancy is what counts of the time since the key became free.
func (m memory) vacancy(now clock.Instant) time.Duration {
	if m.Vacant.IsZero() {
		return 0
	}
	return now.Sub(max(m.Vacant, m.HeldBack))
}

// heldBack says whether we mustn't lead now, however the others are.
func heldBack(v view, m memory) bool {
	_, pledged := mayHavePledged(v)
	cold := blank(v.Store.Cluster) && v.Now.Before(m.Blank.Add(v.Settings.TTL))
	return pledged || cold || v.Pledged.binds(v.Now) || handicap(v) != ""
}

// courteous says whether the lead is still left to others.
func courteous(v view) bool { return vacantFor(v) < handedOverWait }

// giveWay leaves the lead to another that could take it, while courtesy lasts.
func giveWay(v view, format string, args ...any) opinion {
	o := opinion{fit: true, better: courteous(v), reason: fmt.Sprintf(format, args...)}
	if !o.better {
		o.reason += fmt.Sprintf(", and it has had %v to take over", handedOverWait)
	}
	return o
}

// mayReturn says whether m, whose server isn't running, may be about to stand for
// election with WAL that we lack: it led last, and a leader that had to stop its server
// starts it again as a standby; or there was a switchover, which somebody has all of
// the WAL of. It gets the time that a silent member gets, unless a failover names who
// is to lead.
func mayReturn(v view, m dcs.Member) bool {
	c := v.Store.Cluster
	switched := c.Failover.Requested() && c.Failover.Leader != ""
	failedOver := c.Failover.Requested() && c.Failover.Leader == ""
	return (m.Name == v.Memory.Leader || switched) && c.Status.Optime > uint64(v.Server.Location) &&
		!failedOver && returnLeft(v) > 0
}

// returnLeft is what is left of the time in which a member that is ahead may come
// back to what it takes to lead.
func returnLeft(v view) time.Duration { return peerSilence - vacantFor(v) }

// awaitReturn waits for a member that is ahead and can't lead at the moment.
func awaitReturn(v view, p peer, reason string) opinion {
	if again := p.Answered.Add(refusalStands); v.Now.Before(again) {
		return opinion{wait: true, until: again, reason: reason}
	}
	return opinion{ask: true, wait: true, until: v.Now.Add(returnLeft(v)), reason: reason}
}

// rememberLeader follows who holds the leader key, and who has led with it.
func rememberLeader(v view, m memory) memory {
	c := v.Store.Cluster
	tl, _ := c.Timeline()
	last := led{Optime: c.Status.Optime, Timeline: tl}
	moved := last != m.Led && m.Led != (led{})
	m.Led = last
	switch {
	case c.Leader != nil && !m.Vacant.IsZero():
		m.Courtesy += m.vacancy(v.Now)
		m.Vacant = 0
	case c.Leader == nil && (m.Vacant.IsZero() || moved):
		m.Vacant, m.Round = v.Now, v.Now
	}
	holder, _ := c.LeaderMember()
	if c.Leader != nil && holder.State == "running" && holder.Role == "primary" {
		m.Leader = c.Leader.Name
		moved = true
	}
	if moved {
		m.Courtesy = 0
	}
	return m
}
