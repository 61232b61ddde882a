package etcd_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// Who may read all and write only some keys is refused the others: in one line
// that names them, as nothing that the store has decided about a lease or a
// document. What is permitted goes on.
func TestRolePermissions(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{Password: "secret"})
	server.AddUser(t, "clerk", testenv.Permission{Prefix: "/service/demo/"}, testenv.Permission{Prefix: "/service/demo/config", Write: true},
		testenv.Permission{Prefix: "/service/demo/leader", Write: true})
	clerk := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute, Username: "clerk", Password: server.Password})
	ctx := storetest.Patient(t)
	denied := func(err error, words string) {
		t.Helper()
		for _, definite := range []error{dcs.ErrHeld, dcs.ErrLost, dcs.ErrConflict} {
			if errors.Is(err, definite) {
				t.Errorf("a denied request is %v", err)
			}
		}
		if want := "dcs/etcd: " + words + ": etcdserver: permission denied"; err == nil || err.Error() != want || !etcd.IsLoginRefused(err) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	permitted := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 2 {
		v, err := clerk.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Absent})
		permitted("put config", err)
		_, err = clerk.Put(ctx, dcs.Write{Key: dcs.FailoverKey, Value: []byte("{}"), Prev: dcs.Any})
		denied(err, "put failover")
		_, err = clerk.Put(ctx, dcs.Write{Key: dcs.InitializeKey, Prev: dcs.Absent, Value: []byte{}})
		denied(err, "put initialize")
		denied(clerk.Delete(ctx, dcs.FailoverKey, dcs.Any), "delete failover")
		denied(clerk.Touch(ctx, dcs.Member{State: "running"}), "touch members/a")
		denied(clerk.RemoveCluster(ctx), "remove /service/demo/")

		l, err := clerk.AttemptToAcquireLeader(ctx)
		permitted("acquire", err)
		_, err = clerk.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any}, dcs.Write{Key: dcs.HistoryKey, Prev: dcs.Any})
		denied(err, "renew the leader key and write status, history")
		l, err = clerk.UpdateLeader(ctx, l)
		permitted("renew", err)
		denied(clerk.ReleaseLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte("{}"), Prev: dcs.Any}), "release the leader key and write status")
		permitted("release", clerk.ReleaseLeader(ctx, l))

		s, err := clerk.Read(ctx)
		if permitted("read", err); len(s.Documents) != 1 || s.Documents[dcs.ConfigKey].Version != v || s.Leader != nil {
			t.Errorf("read %+v", s)
		}
		permitted("delete config", clerk.Delete(ctx, dcs.ConfigKey, v))
	}
	server.AddUser(t, "stranger", testenv.Permission{Prefix: "/service/demo/config", Write: true})
	stranger := closing(t, server, etcd.Options{Name: "a", TTL: time.Minute, Username: "stranger", Password: server.Password})
	s, err := stranger.Read(ctx)
	if denied(err, "read /service/demo/"); s.Documents != nil {
		t.Errorf("read %+v", s)
	}
	_, err = stranger.AttemptToAcquireLeader(ctx)
	denied(err, "acquire the leader key")
	_, err = stranger.UpdateLeader(ctx, dcs.Lease{ID: "1"})
	denied(err, "renew the leader key")
	_, err = stranger.ResumeLeader(ctx, "1")
	if denied(err, "resume the leader key"); strings.Contains(err.Error(), "absent") {
		t.Error(err)
	}
}
