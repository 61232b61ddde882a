package consul_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// A request whose answer is lost is sent again, and meets what it did itself: that
// is no conflict. What somebody else did meanwhile leaves the outcome unknown.
func TestRequestMeetsItsOwnWork(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.ConsulOptions{})
	const attempt = 300 * time.Millisecond
	raw := server.Client(t, server.Servers[0]).KV()
	proxy := testenv.NewProxy(t, server.Servers[0].Addr)
	d := closing(t, server, consul.Options{Address: proxy.Addr, Name: "a", TTL: time.Minute, AttemptTimeout: attempt})
	l := storetest.Life(t, d)
	// first is how the key is after the first try, whose answer is lost.
	first := func(key dcs.Key, before uint64) (kv *api.KVPair) {
		for deadline := time.Now().Add(storetest.Patience); time.Now().Before(deadline); {
			if kv, _, _ = raw.Get("service/demo/"+string(key), nil); kv != nil && kv.ModifyIndex != before {
				return kv
			}
		}
		t.Errorf("%s wasn't written", key)
		return &api.KVPair{Key: string(key)}
	}
	lost := func(key dcs.Key, before uint64, meanwhile func(), call func() error) error {
		proxy.CutBeforeReply(testenv.Hang)
		done := make(chan struct{})
		go func() {
			defer close(done)
			first(key, before)
			meanwhile()
			now := clock.System().Now()
			storetest.SleepUntil(now.Add(2 * attempt)) // the first try is given up
			proxy.Heal()
		}()
		err := call()
		<-done
		return err
	}
	put := func(v *dcs.Version) func() error {
		return func() (err error) {
			*v, err = d.Put(storetest.Patient(t), dcs.Write{Key: dcs.ConfigKey, Value: []byte("1"), Prev: *v})
			return err
		}
	}
	nothing := func() {}

	v := dcs.Absent
	if err := lost(dcs.ConfigKey, 0, nothing, put(&v)); err != nil {
		t.Errorf("put: %v", err)
	}
	kv := first(dcs.ConfigKey, 0)
	if v == dcs.Absent || put(&v)() != nil {
		t.Errorf("%q isn't the version of %+v", v, kv)
	}
	kv = first(dcs.ConfigKey, 0)
	err := lost(dcs.ConfigKey, kv.ModifyIndex, func() {
		if _, err := raw.Put(&api.KVPair{Key: kv.Key, Value: []byte("another")}, nil); err != nil {
			t.Error(err)
		}
	}, put(&v))
	if err == nil || errors.Is(err, dcs.ErrConflict) {
		t.Errorf("written over meanwhile: got %v, want an unknown outcome", err)
	}
	if err := lost(dcs.SyncKey, 0, nothing, func() error {
		return d.ReleaseLeader(storetest.Patient(t), l, dcs.Write{Key: dcs.SyncKey, Value: []byte("2"), Prev: dcs.Absent})
	}); err != nil {
		t.Errorf("release: %v", err)
	}
}
