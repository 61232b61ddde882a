package ha

import (
	"log/slog"
	"testing"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// configurable is a server that can be configured, and nothing else.
type configurable struct {
	PostgreSQL
	settings postgres.Settings
}

func (c *configurable) Configure(s postgres.Settings) error {
	c.settings = s
	return nil
}

func (c *configurable) Settings() postgres.Settings { return c.settings }

// What the cluster's configuration says of rewinds and slots counts for the
// agent as for the server, and a member's tags are those of the last reload.
func TestReconfigure(t *testing.T) {
	var server postgres.Settings
	a := &Agent{settings: DefaultSettings(), log: slog.New(slog.DiscardHandler), cfg: Config{
		PostgreSQL: &configurable{},
		Reconfigure: func(map[string]any, Floors) (Settings, *postgres.Settings, error) {
			return DefaultSettings(), &server, nil
		},
	}}
	for _, version := range []dcs.Version{"1", "2"} {
		a.reconfigure(dcs.Cluster{Config: dcs.Configuration{Values: map[string]any{}, Version: version}})
		s := a.self(t.Context(), view{})
		if got := s.CanRewind == ""; got != server.UseRewind || s.UseSlots != server.UseSlots ||
			s.RemoveOnDivergence != server.RemoveOnDivergedTimelines || s.RemoveOnRewindFail != server.RemoveOnRewindFailure {
			t.Errorf("%+v, want what the server has: %+v", s, server)
		}
		server = postgres.Settings{UseRewind: true, UseSlots: true, RemoveOnDivergedTimelines: true, RemoveOnRewindFailure: true}
	}
	a.wake = make(chan struct{}, 1)
	a.Retag(dcs.Tags{"nofailover": true})
	if s := a.self(t.Context(), view{}); !s.Tags.NoFailover() {
		t.Errorf("%v", s.Tags)
	}
}
