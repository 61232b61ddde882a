package etcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// What happened while a watch was cut off is compacted before it is back: it
// gives a hint, and the Read after that shows all. It goes on after a compaction
// of what it has seen.
func TestWatchOutlivesCompaction(t *testing.T) {
	t.Parallel()
	server := testenv.Etcd(t, testenv.EtcdOptions{})
	proxy := testenv.NewProxy(t, server.Members[0].Addr)
	d := closing(t, server, etcd.Options{Endpoints: []string{proxy.Addr}, TTL: 5 * time.Second})
	other := closing(t, server, etcd.Options{Name: "b"})
	raw, ctx := server.Client(t), storetest.Patient(t)
	hints := d.Watch(ctx)
	<-hints
	write := func(n int) (value string) {
		t.Helper()
		for i := range 20 {
			value = fmt.Sprintf("%d-%d", n, i)
			if _, err := other.Put(ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte(value), Prev: dcs.Any}); err != nil {
				t.Fatal(err)
			}
		}
		return value
	}
	compact := func() {
		t.Helper()
		answer, err := raw.Get(ctx, "/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Compact(ctx, answer.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(value string) {
		t.Helper()
		for {
			select {
			case <-hints:
			case <-ctx.Done():
				t.Fatalf("no hint after which config is %s", value)
			}
			s, err := d.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if string(s.Documents[dcs.ConfigKey].Value) == value {
				return
			}
		}
	}
	for n, cut := range []func(){func() { proxy.Cut(testenv.Hang) }, func() { proxy.Cut(testenv.Close) }, func() {}} {
		cut()
		value := write(n)
		compact()
		proxy.Heal()
		shows(value)
		shows(write(n + 10))
		compact()
		shows(write(n + 20))
	}
	// A watch that begins while others compact.
	begun, cancel := context.WithCancel(ctx)
	defer cancel()
	late := d.Watch(begun)
	compact()
	<-late
}
