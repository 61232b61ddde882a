package zookeeper_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/zookeeper"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// A member of Patroni's joins a cluster of ours. It sees our leader, looks at no
// node that isn't of its layout, takes over when the key is deleted by hand, and
// our earlier holder, whose session lives, changes nothing of its any more.
func TestPatroniInTheSameCluster(t *testing.T) {
	t.Parallel()
	server := testenv.ZooKeeper(t, testenv.ZooKeeperOptions{})
	raw := server.Client(t)
	patroni := testenv.NewPatroni(t, testenv.PatroniOptions{
		Scope: "demo", Name: "p", Store: fmt.Sprintf("zookeeper: {hosts: ['%s']}", server.Members[0].Addr),
	})
	ctx := storetest.Patient(t)
	a := closing(t, server, zookeeper.Options{Name: "a", TTL: 2 * time.Minute})
	lease, err := a.AttemptToAcquireLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[dcs.Key]string{dcs.InitializeKey: patroni.SystemID, dcs.ConfigKey: `{"ttl":20,"loop_wait":1,"retry_timeout":3}`} {
		if _, err := a.Put(ctx, dcs.Write{Key: key, Value: []byte(value), Prev: dcs.Absent}); err != nil {
			t.Fatal(err)
		}
	}

	patroni.Start(t)
	testenv.Eventually(t, time.Minute, "Patroni to follow our leader", func() error {
		if !strings.Contains(patroni.Log(), "I am (p), a secondary, and following a leader (a)") {
			return errors.New(patroni.Log())
		}
		return nil
	})
	if text := patroni.Control(t, "list"); !strings.Contains(text, "| p ") || strings.Contains(text, "leader-lease") {
		t.Errorf("patronictl list:\n%s", text)
	}
	if text := patroni.Log(); strings.Contains(text, "leader-lease") || strings.Contains(text, "Traceback") {
		t.Errorf("it printed:\n%s", text)
	}

	if err := raw.Delete("/service/demo/leader", -1); err != nil {
		t.Fatal(err)
	}
	var held dcs.Holder
	testenv.Eventually(t, time.Minute, "Patroni to lead", func() error {
		s, err := a.Read(ctx)
		if err != nil || s.Leader == nil || s.Leader.Name != "p" {
			return fmt.Errorf("the holder is %+v, %v; it printed:\n%s", s.Leader, err, patroni.Log())
		}
		held = *s.Leader
		return nil
	})
	_, before, err := raw.Get("/service/demo/leader")
	if err != nil || before.Version != 0 {
		t.Fatalf("its key's node is %+v, %v", before, err)
	}
	late := dcs.Write{Key: dcs.HistoryKey, Value: []byte("[]"), Prev: dcs.Any}
	if _, err := a.UpdateLeader(ctx, lease, late); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("our late renewal: %v, want ErrLost", err)
	}
	a.SetTTL(time.Minute)
	if _, err := a.UpdateLeader(ctx, lease, late); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("our late move: %v, want ErrLost", err)
	}
	again := closing(t, server, zookeeper.Options{Name: "p"})
	if _, err := again.ResumeLeader(ctx, held.Grant); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("resuming Patroni's grant: %v, want ErrLost", err)
	}
	testenv.Eventually(t, time.Minute, "Patroni to be primary", func() error {
		answer, err := http.Get("http://" + patroni.API + "/primary")
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s; it printed:\n%s", answer.Status, patroni.Log())
		}
		return nil
	})
	if err := a.ReleaseLeader(ctx, lease, late); !errors.Is(err, dcs.ErrLost) {
		t.Errorf("our late release: %v, want ErrLost", err)
	}
	if value, now, err := raw.Get("/service/demo/leader"); err != nil || string(value) != "p" || *now != *before {
		t.Errorf("its key's node became %q %+v, was %+v, %v", value, now, before, err)
	}
	if s, err := a.Read(ctx); err != nil || string(s.Documents[dcs.HistoryKey].Value) == "[]" {
		t.Errorf("read %+v, %v: ours was written", s.Documents, err)
	}

	patroni.Stop(t)
	if _, err := a.AttemptToAcquireLeader(ctx); err != nil {
		t.Errorf("after Patroni has stopped: %v", err)
	}
}
