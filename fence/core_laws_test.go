package fence

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/regent-ha/regent/clock"
)

// world is what a Core's effects do, and an account of its own of what may be.
type world struct {
	t   *rapid.T
	now clock.Instant

	core    Core
	server  Server // what really runs
	pending *Fork  // a launch between Accept and its fork
	killing bool

	inForce Arm // the last that was accepted and neither fired nor taken back
	held    bool
	found   bool // what was found running at the start still runs
	number  uint64
	spent   map[string]bool
	fenced  bool // fired on a server that hasn't come back as a standby
	ran     bool
	exited  bool
}

func TestCoreLaws(t *testing.T) { rapid.Check(t, checkLaws) }

func FuzzCoreLaws(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkLaws)) }

func checkLaws(t *rapid.T) {
	w := &world{t: t, now: 1, spent: map[string]bool{}}
	w.server = rapid.SampledFrom([]Server{None, None, Standby, Writable}).Draw(t, "found")
	begin := Started{Server: w.server, Data: "D", AnswerIn: 5}
	if w.found = w.server != None; w.found {
		w.ran = true
		w.inForce = Arm{Fast: w.now.Add(5), Kill: w.now.Add(5 + adoptedGrace)}
	}
	if rapid.IntRange(0, 3).Draw(t, "lease") == 0 {
		begin.Lease = Arm{Number: 1, Grant: "A", Fast: 8, Kill: 12}
		if w.number = 1; w.found {
			w.inForce = begin.Lease
		}
	}
	w.step(begin)
	for range rapid.IntRange(1, 100).Draw(t, "steps") {
		w.now += clock.Instant(rapid.SampledFrom([]int64{0, 0, 1, 3, 10, int64(linger)}).Draw(t, "passed"))
		w.step(w.event())
		if w.exited {
			return
		}
	}
}

func (w *world) event() Event {
	number := func() uint64 {
		return uint64(max(0, int(w.number)+rapid.IntRange(-2, 3).Draw(w.t, "number")))
	}
	instant := func(name string) clock.Instant {
		return w.now + clock.Instant(rapid.IntRange(-4, 12).Draw(w.t, name))
	}
	switch rapid.IntRange(0, 13).Draw(w.t, "event") {
	case 0, 1, 2:
		fast := instant("fast")
		return ArmAsked{Arm{number(), rapid.SampledFrom([]string{"A", "B", "C", ""}).Draw(w.t, "grant"), fast, fast + clock.Instant(rapid.IntRange(-1, 5).Draw(w.t, "more"))}}
	case 3:
		return DisarmAsked{Number: number(), Server: w.server}
	case 4:
		return HoldAsked{Number: number()}
	case 5, 6:
		return LaunchAsked{Writable: rapid.Bool().Draw(w.t, "writable"), Permit: Permit{number(), instant("not after")}, Server: w.server, Data: "D"}
	case 7:
		// Somebody starts or promotes by hand.
		if w.pending == nil {
			if w.server != None && rapid.Bool().Draw(w.t, "promotes") {
				return Promoting{}
			}
			w.server = rapid.SampledFrom([]Server{Standby, Writable}).Draw(w.t, "by hand")
		}
		return w.looked()
	case 8, 9:
		return w.looked()
	case 10:
		if w.killing {
			w.killing = false
			w.server = None
			return Killed{}
		}
	case 11:
		if w.pending != nil {
			return w.fork()
		}
		w.server = None
		return Exited{}
	case 12:
		pid := rapid.IntRange(1, 2).Draw(w.t, "pid")
		if rapid.Bool().Draw(w.t, "joined") {
			return AgentJoined{PID: pid, Kill: rapid.Bool().Draw(w.t, "kill")}
		}
		return AgentGone{PID: pid}
	case 13:
		return Moved{}
	}
	return Tick{}
}

// foundEnded is the account of an arm without a grant: it is for the server that was
// found, and for no other.
func (w *world) foundEnded() {
	w.found = false
	if w.inForce.Grant == "" {
		w.inForce = Arm{}
	}
}

func (w *world) looked() Event {
	if !w.core.Watching() {
		return Tick{}
	}
	return Looked{w.server, w.now}
}

func (w *world) fork() Event {
	f := *w.pending
	w.pending = nil
	if !f.NotAfter.IsZero() && !w.now.Before(f.NotAfter) {
		w.server = None
		return ForkFailed{}
	}
	w.server = Standby
	if !f.NotAfter.IsZero() {
		w.server = Writable
	}
	w.ran = true
	return Forked{}
}

// step feeds the core, and holds what it does against the laws.
func (w *world) step(e Event) {
	before := w.core
	twin := w.core
	effects := w.core.Step(w.now, e)
	if again := twin.Step(w.now, e); !reflect.DeepEqual(again, effects) || twin != w.core {
		w.t.Fatalf("same core, same event, another answer: %v and %v", effects, again)
	}
	if cause := w.cause(before, e); !cause && slices.Contains(effects, Effect(Kill{})) {
		if a, ok := e.(ArmAsked); !ok || w.now.Before(a.Arm.Kill) {
			w.t.Fatalf("%T killed for no reason: in force %+v, held %v", e, w.inForce, w.held)
		}
	}
	fired := w.kills(effects)
	if _, exited := e.(Exited); exited || w.pending != nil {
		w.foundEnded()
	}
	w.answered(before, e, effects, fired)
	w.due(e)
	if a := w.core.arm; a.Grant == "" && !a.Kill.IsZero() && !w.found {
		w.t.Fatalf("after %T the deadline of a server that was found is in force, and that one is gone: %+v", e, w.core.State())
	}
	if next := w.core.Next(); !next.IsZero() && !next.After(w.now) && !w.exited {
		w.t.Fatalf("at %d it wants to be woken at %d", w.now, next)
	}
	if _, ok := e.(Looked); ok && before.Watching() && w.server == Writable && !w.killing && !w.core.launching {
		w.t.Fatalf("it saw a writable server under the latch and let it be: %+v", w.core.State())
	}
	if w.server == Writable && w.pending == nil && !w.killing && w.core.State().Arm.Kill.IsZero() && !w.held && !w.core.Watching() {
		w.t.Fatalf("a writable server that nobody watches: %+v", w.core.State())
	}
}

// cause says whether the event may kill.
func (w *world) cause(before Core, e Event) bool {
	due := !w.inForce.Kill.IsZero() && !w.held && !w.now.Before(w.inForce.Kill)
	seen, _ := e.(Looked)
	_, promoting := e.(Promoting)
	return due || before.killing || before.Watching() && (seen.Server == Writable || promoting)
}

// kills takes the effects that aren't answers, and checks their order.
func (w *world) kills(effects []Effect) (fired bool) {
	for i, e := range effects {
		switch e := e.(type) {
		case Kill:
			if i > 0 && !fired && reflect.TypeOf(effects[i-1]) != reflect.TypeFor[Accept]() {
				w.t.Fatalf("%T comes before the kill", effects[i-1])
			}
			w.killing, fired = true, true
			if w.inForce.Grant != "" {
				w.spent[w.inForce.Grant] = true
			}
			w.inForce, w.held = Arm{}, false
			w.fenced = w.fenced || w.ran
		case WriteStandbySignal:
			if w.server != None {
				w.t.Fatal("standby.signal is written under a server that runs")
			}
		case Exit:
			if w.server != None || w.killing || !w.inForce.Kill.IsZero() && !w.core.ending {
				w.t.Fatalf("the guard ends with %v, killing %v, in force %+v", w.server, w.killing, w.inForce)
			}
			w.exited = true
		case Fork:
			w.pending = &e
		}
	}
	return fired
}

// answered checks that each request has one answer, and each yes its reason.
func (w *world) answered(before Core, e Event, effects []Effect, fired bool) {
	accepted, answers := false, 0
	for _, x := range effects {
		switch x.(type) {
		case Accept:
			accepted = true
			answers++
		case Refuse:
			answers++
		}
	}
	want := 0
	switch e := e.(type) {
	case AgentJoined:
		want = 1
		if accepted && before.agent != 0 && before.agent != e.PID {
			w.t.Fatal("two agents")
		}
	case ArmAsked:
		want = 1
		if accepted {
			w.armed(before, e.Arm, fired)
		}
	case DisarmAsked:
		want = 1
		if accepted {
			w.count(e.Number)
			w.inForce, w.held = Arm{}, false
			if e.Server == Writable || before.launching && before.server == Writable {
				w.t.Fatal("disarmed under a writable server")
			}
		}
	case HoldAsked:
		want = 1
		if accepted {
			w.count(e.Number)
			w.held = true
		}
	case LaunchAsked:
		want = 1
		if accepted && e.Writable {
			w.permitted(e)
		}
	}
	if answers != want {
		w.t.Fatalf("%T has %d answers", e, answers)
	}
	if before.fired && !w.core.fired {
		if a, ok := e.(ArmAsked); !ok || !accepted || before.spent.has(a.Arm.Grant) {
			w.t.Fatalf("the latch was lifted by %T%+v", e, e)
		}
	}
}

func (w *world) armed(before Core, a Arm, fired bool) {
	w.count(a.Number)
	if w.spent[a.Grant] && !(fired && a == w.core.arm) && before.spent.has(a.Grant) {
		w.t.Fatalf("armed for the spent grant %s", a.Grant)
	}
	if before.killing {
		w.t.Fatal("armed before the kill was done")
	}
	if fired { // at once
		w.spent[a.Grant] = true
		return
	}
	w.inForce, w.held = a, false
	if w.core.server == Standby {
		w.fenced = false
	}
}

func (w *world) count(n uint64) {
	if n <= w.number {
		w.t.Fatalf("number %d counted after %d", n, w.number)
	}
	w.number = n
}

func (w *world) permitted(e LaunchAsked) {
	switch a := w.inForce; {
	case a.Grant == "" || w.held || w.core.fired || w.killing:
		w.t.Fatal("a writable start without an arm")
	case a.Number != e.Permit.Number:
		w.t.Fatalf("a writable start on arm %d, in force is %d", e.Permit.Number, a.Number)
	case !w.now.Before(e.Permit.NotAfter) || !w.now.Before(a.Fast):
		w.t.Fatal("a late writable start")
	case w.pending.NotAfter.After(e.Permit.NotAfter) || w.pending.NotAfter.After(a.Fast):
		w.t.Fatal("a fork that may come late")
	case w.fenced:
		w.t.Fatal("a start in place after a fence")
	}
}

// due: nothing outlives the deadline in force.
func (w *world) due(e Event) {
	if k := w.inForce.Kill; !k.IsZero() && !w.held && !w.now.Before(k) {
		w.t.Fatalf("after %T at %d nothing was killed, the deadline was %d", e, w.now, k)
	}
}
