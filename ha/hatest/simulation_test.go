package hatest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// number is an environment variable's, or otherwise.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: it must be a number", name, text)
	}
	return n
}

// TestSimulation plays SEEDS histories, from that of seed FROM on, or the one of SEED
// with its whole trace.
func TestSimulation(t *testing.T) {
	if os.Getenv("SEED") != "" {
		play(t, number(t, "SEED", 1), os.Stdout)
		return
	}
	from := number(t, "FROM", 1)
	for seed := range number(t, "SEEDS", seeds) {
		t.Run(fmt.Sprint(from+seed), func(t *testing.T) {
			t.Parallel()
			play(t, from+seed, nil)
		})
	}
}

func play(t *testing.T, seed uint64, trace io.Writer) {
	again := fmt.Sprintf("the same again, with all that happens: make sim SEED=%d", seed)
	// A goroutine that waits for a lock for ever isn't durably blocked: nobody
	// inside of the bubble would notice.
	stuck := time.AfterFunc(5*time.Minute, func() { panic("the history stands still\n" + again) })
	defer stuck.Stop()
	synctest.Test(t, func(t *testing.T) {
		if err := (Chaos{Options: Options{Seed: seed, Trace: trace}}).Run(t); err != nil {
			t.Errorf("%v\n%s", err, again)
		}
	})
}

// TestDeterministic proves that a seed is one history.
func TestDeterministic(t *testing.T) {
	for seed := range number(t, "TWICE", 5) {
		var first, second bytes.Buffer
		for _, trace := range []*bytes.Buffer{&first, &second} {
			synctest.Test(t, func(t *testing.T) {
				_ = Chaos{Options: Options{Seed: seed + 1, Trace: trace}}.Run(t)
			})
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("seed %d has two histories:\n%s", seed+1, difference(first.Bytes(), second.Bytes()))
		}
	}
}

// difference shows the first lines that differ.
func difference(a, b []byte) string {
	one, two := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(one), len(two)) {
		if !bytes.Equal(one[i], two[i]) {
			return fmt.Sprintf("line %d of %d and %d\n%s\n--- and\n%s", i+1, len(one), len(two),
				bytes.Join(one[max(i-10, 0):min(i+3, len(one))], []byte("\n")), bytes.Join(two[max(i-10, 0):min(i+3, len(two))], []byte("\n")))
		}
	}
	return fmt.Sprintf("%d and %d lines", len(one), len(two))
}
