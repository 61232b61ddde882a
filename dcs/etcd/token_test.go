package etcd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// A token ends while nothing is asked, and while something is: what is asked then
// logs in again, and neither the lease nor the watch notices.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	const ends = 2 * time.Second
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("what signs the tokens"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"simple": {"--auth-token", "simple", "--auth-token-ttl", "2"},
		"JWT":    {"--auth-token", "jwt,sign-method=HS256,ttl=2s,priv-key=" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Etcd(t, testenv.EtcdOptions{Members: 3, Password: "secret", Args: args})
			d := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute})
			other := closing(t, server, etcd.Options{Name: "b", TTL: time.Minute})
			l := storetest.Life(t, d)
			hints := d.Watch(storetest.Patient(t))
			<-hints
			wantEnded(t, server, ends)
			steps := []func() error{
				func() (err error) { l, err = d.UpdateLeader(storetest.Patient(t), l); return err },
				func() error { return d.Touch(storetest.Patient(t), dcs.Member{State: "running"}) },
				func() error { _, err := d.Read(storetest.Patient(t)); return err },
				func() error {
					_, err := d.Put(storetest.Patient(t), dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Absent})
					return err
				},
				func() error { return d.ReleaseLeader(storetest.Patient(t), l) },
				func() (err error) { l, err = d.AttemptToAcquireLeader(storetest.Patient(t)); return err },
			}
			for i, step := range steps {
				storetest.SleepUntil(systemNow().Add(ends * 3 / 2))
				if err := step(); err != nil {
					t.Errorf("step %d after the token's end: %v", i, err)
				}
			}
			for draining := true; draining; {
				select {
				case <-hints:
				case <-time.After(200 * time.Millisecond):
					draining = false
				}
			}
			if _, err := other.Put(storetest.Patient(t), dcs.Write{Key: dcs.FailoverKey, Value: []byte("{}"), Prev: dcs.Any}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-hints:
			case <-time.After(storetest.Patience):
				t.Error("the watch heard nothing after its token's end")
			}
		})
	}
}

// wantEnded makes sure that tokens of this server end: else nothing is tested.
func wantEnded(t *testing.T, server *testenv.EtcdCluster, after time.Duration) {
	t.Helper()
	token, err := etcd.Login(storetest.Patient(t), server.Endpoints(), server.Username, server.Password)
	if err != nil {
		t.Fatal(err)
	}
	storetest.SleepUntil(systemNow().Add(after * 3))
	if err := etcd.ReadWithToken(storetest.Patient(t), server.Endpoints(), token); err == nil || !strings.Contains(err.Error(), "invalid auth token") {
		t.Fatalf("read with a token that has ended: %v", err)
	}
}
