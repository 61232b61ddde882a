package demo

import (
	"context"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// counters are what the writers saw since the start.
type counters struct {
	demo     *demo
	acked    int
	rate     float64       // acknowledged a second, lately
	gap      time.Duration // the longest of the last minute
	lost     int
	two      time.Duration
	timeline uint32
}

// look counts. Lost rows are looked for after each change of the primary, when
// the cluster is whole.
func (c *counters) look(ctx context.Context, s state) {
	h := lab.Recorded(c.demo.writers...)
	now := s.at
	client := h.Of("client")
	recent := client.Since(now.Add(-2 * time.Second)).Acked()
	c.acked, c.rate = client.Acked(), float64(recent)/2
	if len(client) > 0 {
		c.gap = client.LongestGap(max(now.Add(-time.Minute), client[0].Replied), now)
	}
	c.two = lab.TwoPrimaries(h.Overlaps())
	if p := s.primary(); p != nil && s.whole() && p.timeline != c.timeline {
		if lost, err := c.demo.lab.Lost(ctx, h); err == nil {
			c.lost, c.timeline = len(lost), p.timeline
		}
	}
}
