package fence

import (
	"testing"
	"time"
)

func TestNoWriteIsAcknowledgedAfterKill(t *testing.T) {
	n := newNode(t)
	g := n.connect()
	// No time for the fast shutdown: the kill alone must do.
	a := n.arm(1, "A", 3*time.Second, 3*time.Second)
	n.lead(g, a)
	w := n.writers(4)
	until(a.Kill)
	n.gone()
	dead := n.now()
	t.Logf("nothing left %v after the deadline, last reply %v after it, %d writes", dead.Sub(a.Kill), w.lastReply().Sub(a.Kill), w.count.Load())
	if late := w.lastReply().Sub(a.Kill); late > 100*time.Millisecond {
		t.Errorf("a write was acknowledged %v after the deadline", late)
	}
	s := n.state()
	if !s.Fired || s.Spent != "A" || s.Armed() {
		t.Errorf("state is %+v", s)
	}
	eventually(t, "standby.signal is there", func() bool { return n.has("standby.signal") })
}
