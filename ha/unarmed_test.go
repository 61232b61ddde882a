package ha

import (
	"context"
	"errors"
	"testing"

	"github.com/regent-ha/regent/fence"
)

// deaf is a guard that acknowledges nothing until it is told to.
type deaf struct {
	Fence
	hears bool
}

func (d *deaf) Arm(context.Context, fence.Arm) error {
	if d.hears {
		return nil
	}
	return errors.New("no answer")
}

// A grant that the guard didn't acknowledge keeps its plan, by which it is renewed or
// given back, and nobody is told that it leads. A renewal arms it.
func TestGrantWithoutTheGuard(t *testing.T) {
	a, s, _ := elected(t)
	if err := a.release(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	guard := &deaf{}
	a.fencing.mode, a.fencing.guard = fence.Required, guard
	if err := a.acquire(t.Context(), view{}); err == nil {
		t.Fatal("an arm that wasn't acknowledged was no error")
	}
	now := a.clock.Now()
	if got := a.office.look(now); !got.held() || got.Plan.End.IsZero() || got.Armed != 0 {
		t.Errorf("the term is %+v", got)
	}
	if a.Report().Leads(now) {
		t.Error("it is said to lead")
	}
	if _, err := a.office.permit(never); err == nil {
		t.Error("got a permit that the guard knows nothing of")
	}
	guard.hears = true
	go func() { <-s.renewing; close(s.renew) }()
	if err := a.renew(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := a.office.get(); got.Armed == 0 || !a.Report().Leads(a.clock.Now()) {
		t.Errorf("armed, the term is %+v", got)
	}
}
