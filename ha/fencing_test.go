package ha

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/fence"
)

// calm is a guard that answers.
type calm struct{ Fence }

func (calm) State(context.Context) (fence.State, error) { return fence.State{Number: 7}, nil }

func looking(log *bytes.Buffer, connect func(context.Context) (Fence, error)) *fencing {
	return &fencing{agent: &Agent{
		cfg: Config{Fencing: Fencing{Connect: connect}}, clock: clock.System(),
		log: slog.New(slog.NewTextHandler(log, nil)),
	}}
}

func TestGuardThatIsGoneHoldsACycleForALittleOnly(t *testing.T) {
	var log bytes.Buffer
	held := errors.New("another guard holds /run/x: pid 12")
	f := looking(&log, func(ctx context.Context) (Fence, error) {
		<-ctx.Done()
		return nil, held
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if g := f.look(ctx); g.Connected || g.LostAt.IsZero() {
		t.Errorf("the guard is %+v", g)
	}
	if ctx.Err() != nil {
		t.Error("one look took all the time there was")
	}
	if !strings.Contains(log.String(), "pid 12") {
		t.Errorf("logged:\n%s", log.String())
	}
}

func TestTroubleWithTheGuardIsLoggedWhenItChanges(t *testing.T) {
	var log bytes.Buffer
	var err error
	f := looking(&log, func(context.Context) (Fence, error) { return calm{}, err })
	for _, trouble := range []string{"held by pid 12", "held by pid 12", "held by pid 13", "", ""} {
		if err = nil; trouble != "" {
			err = errors.New(trouble)
		}
		if g := f.look(t.Context()); g.Connected != (err == nil) {
			t.Errorf("%q: the guard is %+v", trouble, g)
		}
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, said, _ := strings.Cut(strings.TrimSpace(line), "level=")
		got = append(got, said)
	}
	want := []string{
		`WARN msg="the guard does not answer" error="held by pid 12"`,
		`WARN msg="the guard does not answer" error="held by pid 13"`,
		`INFO msg="the guard answers again"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
