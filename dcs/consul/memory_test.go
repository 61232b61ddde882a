package consul_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/consul"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// Renewals and reconnects leave nothing behind.
func TestMemoryStaysFlat(t *testing.T) {
	server := testenv.Consul(t, testenv.ConsulOptions{})
	proxy := testenv.NewProxy(t, server.Servers[0].Addr)
	d := closing(t, server, consul.Options{Address: proxy.Addr, Name: "a", TTL: time.Minute})
	l, ctx := storetest.Life(t, d), storetest.Patient(t)
	round := func() (bytes uint64, goroutines int) {
		for i := range 200 {
			var err error
			if l, err = d.UpdateLeader(ctx, l, dcs.Write{Key: dcs.StatusKey, Value: []byte{byte(i)}, Prev: dcs.Any}); err != nil {
				t.Fatal(err)
			}
			if err := d.Touch(ctx, dcs.Member{State: "running"}); err != nil {
				t.Fatal(err)
			}
			if i%20 == 0 {
				proxy.Cut(testenv.Close)
				proxy.Heal()
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	round() // buffers and connections
	before, running := round()
	for range 3 {
		round()
	}
	after, now := round()
	t.Logf("%d KiB and %d goroutines, then %d KiB and %d", before>>10, running, after>>10, now)
	const slack = 256 << 10
	if after > before+slack || now > running+5 {
		t.Errorf("it grew")
	}
}
