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

// An idle member's cycle keeps slots, which alone is no reason to read the store.
func TestRoutine(t *testing.T) {
	streaming := postgres.Status{Receiver: &postgres.Receiver{Streaming: true}, Slots: []postgres.Slot{{Name: "b"}}}
	move := func(name string) syncSlots { return syncSlots{Wanted: []postgres.WantedSlot{{Name: name, Advance: 7}}} }
	for name, test := range map[string]struct {
		server  postgres.Status
		actions []action
		want    bool
	}{
		"touch":                       {streaming, []action{touch{}}, true},
		"slots that are there":        {streaming, []action{move("b"), touch{}}, true},
		"a slot that is missing":      {streaming, []action{move("c"), touch{}}, false},
		"a slot to be dropped":        {streaming, []action{syncSlots{Gone: []string{"b"}}}, false},
		"one that was dropped":        {streaming, []action{syncSlots{Gone: []string{"c"}}}, true},
		"a position":                  {streaming, []action{renew{Docs: []dcs.Write{{Key: dcs.StatusKey}}}}, true},
		"another document":            {streaming, []action{renew{Docs: []dcs.Write{{Key: dcs.SyncKey}}}}, false},
		"a request for the key":       {streaming, []action{acquire{}}, false},
		"touch, without a WAL source": {postgres.Status{}, []action{touch{}}, false},
	} {
		v := view{Server: test.server}
		d := decision{Actions: test.actions, Memory: remember(v)}
		d.Memory.LastTouch, d.Memory.LastSlots = 5, 5
		if got := routine(v, d); got != test.want {
			t.Errorf("%s: routine is %v", name, got)
		}
	}
	v := view{Server: streaming}
	d := decision{Actions: []action{touch{}}, Memory: remember(v)}
	d.Memory.Promoting = 5
	if routine(v, d) {
		t.Error("what is to be remembered is no routine")
	}
}
