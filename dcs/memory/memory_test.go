package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	dcstest.Run(t, dcstest.Harness{
		Start: func(testing.TB) dcstest.Store {
			store := memory.NewStore(nil)
			return dcstest.Store{Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
				d, err := store.Open(memory.Options{Path: o.Path, Name: o.Name, TTL: o.TTL})
				if err != nil {
					tb.Fatal(err)
				}
				return d
			}}
		},
		MinTTL:  300 * time.Millisecond,
		Late:    time.Millisecond,
		Largest: 4 << 20,
	})
}
