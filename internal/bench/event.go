package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/regent-ha/regent/internal/lab"
)

// event is something that happens to a healthy cluster.
type event struct {
	Name    string
	InPlace bool // the same node leads afterwards
	Probes  bool // two primaries may be seen: every node is asked to take writes
	Strike  func(ctx context.Context, t *trial) error
	Undo    func(t *trial) error // nil: nothing is to be undone
}

// startEvent is the start of three empty nodes, which begins each trial.
const startEvent = "start"

var events = []event{
	{Name: "postmaster-killed", InPlace: true, Strike: func(_ context.Context, t *trial) error { return t.leader.KillPostgres() }},
	{Name: "restart", InPlace: true, Strike: func(ctx context.Context, t *trial) error {
		return t.post(ctx, t.leader, "/restart", map[string]any{})
	}},
	{Name: "switchover", Strike: func(ctx context.Context, t *trial) error {
		return t.post(ctx, t.leader, "/switchover", map[string]any{"leader": t.leader.Name, "candidate": t.other().Name})
	}},
	{Name: "host-lost", Strike: func(_ context.Context, t *trial) error {
		t.leader.KillHost()
		return nil
	}, Undo: func(t *trial) error { return t.leader.StartHost() }},
	{Name: "agent-killed", Probes: true, Strike: func(_ context.Context, t *trial) error {
		t.leader.KillAgent()
		return nil
	}, Undo: func(t *trial) error { return t.leader.StartAgent() }},
	{Name: "agent-frozen", Probes: true, Strike: func(_ context.Context, t *trial) error {
		t.leader.FreezeAgent()
		return nil
	}, Undo: func(t *trial) error {
		t.leader.ThawAgent()
		return nil
	}},
}

// EventNames are the names of all events.
func EventNames() []string {
	names := []string{startEvent}
	for _, e := range events {
		names = append(names, e.Name)
	}
	return names
}

func eventNamed(name string) (event, bool) {
	for _, e := range events {
		if e.Name == name {
			return e, true
		}
	}
	return event{}, false
}

// other is a node that doesn't lead.
func (t *trial) other() *lab.Node {
	for _, n := range t.lab.Nodes {
		if n != t.leader {
			return n
		}
	}
	return nil
}

// post sends a request to a node's REST API.
func (t *trial) post(ctx context.Context, n *lab.Node, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.APIAddr+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("bench: POST %s: %w", path, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusAccepted {
		err = errors.Join(err, fmt.Errorf("bench: POST %s: %s: %s", path, answer.Status, said))
	}
	return err
}
