package fence

import (
	"fmt"
	"strings"
	"testing"

	"github.com/regent-ha/regent/clock"
)

// show writes effects as a script has them.
func show(effects []Effect) string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case Refuse:
			out = append(out, "refuse:"+string(e.Err.Reason))
		case WriteLatch:
			out = append(out, fmt.Sprintf("latch(fired=%v spent=%s)", e.Latch.Fired, strings.Join(e.Latch.Spent, ",")))
		case Fork:
			out = append(out, fmt.Sprintf("fork<%d", e.NotAfter))
		case KillAgent:
			out = append(out, fmt.Sprintf("kill-agent(%d)", e.PID))
		default:
			out = append(out, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "fence.")))
		}
	}
	return strings.Join(out, " ")
}

func arm(number uint64, grant string, fast, kill clock.Instant) ArmAsked {
	return ArmAsked{Arm{Number: number, Grant: grant, Fast: fast, Kill: kill}}
}

func primary(number uint64, notAfter clock.Instant) LaunchAsked {
	return LaunchAsked{Writable: true, Permit: Permit{number, notAfter}, Server: None, Data: "D"}
}

var standby = LaunchAsked{Server: None, Data: "D"}

type line struct {
	at    clock.Instant
	event Event
	want  string
}

func TestCore(t *testing.T) {
	fired := Latch{Fired: true, Number: 9, Spent: []string{"B", "A"}, Fenced: "D"}
	for name, script := range map[string][]line{
		"renewed, interrupted, fired": {
			{1, Started{}, ""},
			{1, AgentJoined{PID: 7}, "accept"},
			{2, arm(1, "A", 10, 20), "accept"},
			{3, primary(1, 9), "accept fork<9"},
			{3, Forked{}, ""},
			{5, arm(2, "A", 15, 25), "accept"},
			{12, Tick{}, ""},
			{15, Tick{}, "interrupt"},
			{16, Tick{}, ""},
			{25, Tick{}, "kill latch(fired=true spent=A)"},
			{26, Killed{}, "writestandbysignal"},
			{27, arm(3, "A", 50, 60), "refuse:spent"},
			{27, primary(3, 50), "refuse:latched"},
			{28, arm(3, "B", 50, 60), "accept latch(fired=false spent=A)"},
			{29, primary(3, 50), "refuse:fenced"},
			{29, arm(4, "A", 50, 60), "refuse:spent"},
		},
		"an earlier deadline with a higher number wins, and is due at once": {
			{1, Started{}, ""},
			{1, arm(1, "A", 50, 60), "accept"},
			{10, arm(2, "A", 3, 4), "accept kill latch(fired=true spent=A)"},
		},
		"overdue comes before what was asked meanwhile": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{30, arm(2, "A", 50, 60), "kill latch(fired=true spent=A) refuse:spent"},
		},
		"an arm after the fast shutdown began keeps the server's right": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{10, Tick{}, "interrupt"},
			{11, arm(2, "A", 30, 40), "accept"},
			{20, Tick{}, ""},
			{21, primary(2, 35), "accept fork<30"},
		},
		"a start isn't allowed between the fast shutdown and the kill": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{10, primary(1, 50), "interrupt refuse:late"},
		},
		"permits": {
			{1, Started{}, ""},
			{1, primary(0, 50), "refuse:latched"},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, primary(0, 50), "refuse:number"},
			{2, primary(2, 50), "refuse:number"},
			{2, primary(1, 2), "refuse:late"},
			{2, primary(1, 0), "refuse:late"},
			{3, LaunchAsked{Writable: true, Permit: Permit{1, 5}, Server: Standby}, "refuse:running"},
			{3, primary(1, 5), "accept fork<5"},
			{3, standby, "refuse:running"},
			{4, ForkFailed{}, ""},
			{4, standby, "accept fork<0"},
		},
		"fired between fork and its news": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, primary(1, 9), "accept fork<9"},
			{20, Tick{}, "kill latch(fired=true spent=A)"},
			{21, Killed{}, ""},
			{22, Forked{}, "kill"},
			{22, arm(2, "B", 50, 60), "refuse:killing"},
			{23, Killed{}, "writestandbysignal"},
			{23, arm(2, "B", 50, 60), "accept latch(fired=false spent=A)"},
		},
		"fired, and the fork failed": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, primary(1, 9), "accept fork<9"},
			{20, Tick{}, "kill latch(fired=true spent=A)"},
			{21, Killed{}, ""},
			{22, ForkFailed{}, "kill"},
			{23, Killed{}, "writestandbysignal"},
		},
		"nothing writable under the latch": {
			{1, Started{}, ""},
			{1, Looked{Standby, 1}, ""},
			{2, Looked{Writable, 2}, "kill latch(fired=true spent=)"},
			{2, Looked{Writable, 2}, ""},
			{3, Killed{}, "writestandbysignal"},
			{3, Looked{Writable, 2}, ""}, // it was that server
			{4, Looked{None, 4}, ""},
			{5, Looked{Writable, 5}, "kill latch(fired=true spent=)"},
		},
		"no promotion under the latch": {
			{1, Started{}, ""},
			{1, Promoting{}, ""}, // nothing runs
			{1, Looked{Standby, 1}, ""},
			{2, Promoting{}, "kill latch(fired=true spent=)"},
			{2, Promoting{}, ""},
			{3, Killed{}, "writestandbysignal"},
			{4, standby, "accept fork<0"},
			{4, Promoting{}, "kill latch(fired=true spent=)"},
			{5, Killed{}, ""},
			{5, Forked{}, "kill"},
			{6, Killed{}, "writestandbysignal"},
		},
		"a promotion on an arm": {
			{1, Started{}, ""},
			{1, Looked{Standby, 1}, ""},
			{2, arm(1, "A", 10, 20), "accept"},
			{3, Promoting{}, ""},
		},
		"back as a standby, armed anew, restarted in place later": {
			{1, Started{Latch: fired, Server: None}, ""},
			{2, standby, "accept fork<0"},
			{2, Forked{}, ""},
			{3, Looked{Standby, 3}, ""},
			{4, arm(10, "B", 50, 60), "refuse:spent"},
			{4, arm(10, "C", 50, 60), "accept latch(fired=false spent=B,A)"},
			{5, Exited{}, ""},
			{6, primary(10, 50), "accept fork<50"},
		},
		"armed first, then back as a standby: the latch forgets the fence": {
			{1, Started{Latch: fired, Server: None}, ""},
			{2, arm(10, "C", 50, 60), "accept latch(fired=false spent=B,A)"},
			{3, standby, "accept fork<0"},
			{3, Forked{}, ""},
			{4, arm(11, "C", 50, 60), "accept latch(fired=false spent=B,A)"},
			{5, arm(12, "C", 50, 60), "accept"},
			{5, Exited{}, ""},
			{6, primary(12, 50), "accept fork<50"},
		},
		"a new database in place of the fenced one": {
			{1, Started{Latch: fired, Server: None}, ""},
			{4, arm(10, "C", 50, 60), "accept latch(fired=false spent=B,A)"},
			{6, LaunchAsked{Writable: true, Permit: Permit{10, 50}, Server: None, Data: "other"}, "accept fork<50"},
		},
		"adopted with a lease": {
			{5, Started{Lease: Arm{4, "A", 10, 20}, Server: Writable, AnswerIn: 9}, ""},
			{6, arm(4, "A", 50, 60), "refuse:number"},
			{10, Tick{}, "interrupt"},
			{20, Tick{}, "kill latch(fired=true spent=A)"},
		},
		"adopted with a lease that is over":  {{30, Started{Lease: Arm{4, "A", 10, 20}, Server: Standby}, "kill latch(fired=true spent=A)"}},
		"adopted with a lease that is spent": {{5, Started{Lease: Arm{9, "A", 10, 20}, Latch: fired, Server: Writable}, "kill latch(fired=true spent=B,A)"}},
		"adopted with a lease that is newer than the latch": {
			{5, Started{Lease: Arm{12, "C", 10, 20}, Latch: fired, Server: Writable}, ""},
			{6, Looked{Writable, 6}, ""},
			{20, Tick{}, "kill latch(fired=true spent=C,B,A)"},
		},
		"a lease without a server is no arm, but its number counts": {
			{5, Started{Lease: Arm{4, "A", 10, 20}, Server: None}, ""},
			{6, arm(4, "A", 50, 60), "refuse:number"},
			{6, primary(4, 50), "refuse:latched"},
			{6, arm(5, "A", 50, 60), "accept"},
		},
		"adopted without a lease, nobody answers": {
			{5, Started{Server: Writable, AnswerIn: 10}, ""},
			{6, Looked{Writable, 6}, ""},
			{15, Tick{}, "interrupt"},
			{clock.Instant(15 + adoptedGrace), Tick{}, "kill latch(fired=true spent=)"},
		},
		"adopted without a lease, armed": {
			{5, Started{Server: Writable, AnswerIn: 10}, ""},
			{6, arm(1, "A", 50, 60), "accept"},
			{16, Tick{}, ""},
		},
		"adopted without a lease, held, armed": {
			{5, Started{Server: Writable, AnswerIn: 10}, ""},
			{6, HoldAsked{Number: 1}, "accept"},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
			{clock.Instant(16 + adoptedGrace), Looked{Writable, clock.Instant(16 + adoptedGrace)}, ""},
			{clock.Instant(17 + adoptedGrace), arm(1, "A", clock.Instant(2*adoptedGrace), clock.Instant(3*adoptedGrace)), "refuse:number"},
			{clock.Instant(17 + adoptedGrace), arm(2, "A", clock.Instant(2*adoptedGrace), clock.Instant(3*adoptedGrace)), "accept"},
			{clock.Instant(3 * adoptedGrace), Tick{}, "kill latch(fired=true spent=A)"},
		},
		"the end of a server that was found ends its deadline": {
			{5, Started{Server: Standby, AnswerIn: 10}, ""},
			{6, Exited{}, ""},
			{7, standby, "accept fork<0"},
			{8, Forked{}, ""},
			{15, Tick{}, ""},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
			{clock.Instant(16 + adoptedGrace), Looked{Standby, clock.Instant(16 + adoptedGrace)}, ""},
			{clock.Instant(17 + adoptedGrace), Looked{Writable, clock.Instant(17 + adoptedGrace)}, "kill latch(fired=true spent=)"},
		},
		"it ends during its fast shutdown": {
			{5, Started{Server: Standby, AnswerIn: 10}, ""},
			{15, Tick{}, "interrupt"},
			{16, Exited{}, ""},
			{17, standby, "accept fork<0"},
			{18, Forked{}, ""},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
		},
		"it had no postmaster whose end could be told": {
			{5, Started{Server: Writable, AnswerIn: 10}, ""},
			{6, standby, "accept fork<0"},
			{7, Forked{}, ""},
			{15, Tick{}, ""},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
		},
		"the deadline of a lease outlives the server": {
			{5, Started{Server: Standby, Lease: Arm{Number: 3, Grant: "A", Fast: 10, Kill: 20}, AnswerIn: 10}, ""},
			{6, Exited{}, ""},
			{7, standby, "accept fork<0"},
			{8, Forked{}, ""},
			{10, Tick{}, "interrupt"},
			{20, Tick{}, "kill latch(fired=true spent=A)"},
		},
		"a standby that was found, disarmed": {
			{5, Started{Server: Standby, AnswerIn: 10}, ""},
			{6, DisarmAsked{Number: 1, Server: Writable}, "refuse:running"},
			{6, DisarmAsked{Number: 1, Server: Standby}, "accept"},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
			{clock.Instant(16 + adoptedGrace), Promoting{}, "kill latch(fired=true spent=)"},
		},
		"a standby that was found, and is promoted, is not let off": {
			{5, Started{Server: Standby, AnswerIn: 10}, ""},
			{6, Promoting{}, ""},
			{7, DisarmAsked{Number: 1, Server: Standby}, "refuse:running"},
			{15, Tick{}, "interrupt"},
			{clock.Instant(15 + adoptedGrace), Tick{}, "kill latch(fired=true spent=)"},
		},
		"one that was to be promoted has ended": {
			{5, Started{Server: Standby, AnswerIn: 10}, ""},
			{6, Promoting{}, ""},
			{7, Exited{}, ""},
			{7, standby, "accept fork<0"},
			{8, Forked{}, ""},
			{9, DisarmAsked{Number: 1, Server: Standby}, "accept"},
		},
		"a standby found under a fired latch, held": {
			{5, Started{Latch: fired, Server: Standby, AnswerIn: 10}, ""},
			{6, HoldAsked{Number: 10}, "accept"},
			{clock.Instant(15 + adoptedGrace), Tick{}, ""},
			{clock.Instant(16 + adoptedGrace), Looked{Writable, clock.Instant(16 + adoptedGrace)}, "kill latch(fired=true spent=B,A)"},
		},
		"the run directory was cleaned": {
			{1, Started{Latch: fired}, ""},
			{2, Moved{}, "latch(fired=true spent=B,A)"},
			{3, arm(10, "C", 50, 60), "accept latch(fired=false spent=B,A)"},
			{4, Moved{}, "latch(fired=false spent=B,A)"},
		},
		"another guard fired in a run directory that was made anew": {
			{1, Started{}, ""},
			{1, arm(1, "C", 50, 60), "accept"},
			{2, Moved{fired}, "latch(fired=false spent=B,A)"},
			{3, arm(9, "C", 60, 70), "refuse:number"},
			{3, arm(10, "A", 60, 70), "refuse:spent"},
			{3, arm(10, "C", 60, 70), "accept"},
			{4, primary(10, 50), "refuse:fenced"},
			{5, DisarmAsked{Number: 11, Server: None}, "accept"},
			{6, Moved{fired}, "latch(fired=true spent=B,A)"},
		},
		"held deadlines wait": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, HoldAsked{Number: 2}, "accept"},
			{30, Tick{}, ""},
			{30, primary(1, 50), "refuse:latched"},
			{31, arm(2, "A", 40, 50), "refuse:number"},
			{31, arm(3, "A", 40, 50), "accept"},
			{50, Tick{}, "kill latch(fired=true spent=A)"},
		},
		"disarmed": {
			{1, Started{}, ""},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, DisarmAsked{Number: 1, Server: None}, "refuse:number"},
			{2, DisarmAsked{Number: 2, Server: Writable}, "refuse:running"},
			{2, primary(1, 9), "accept fork<9"},
			{3, DisarmAsked{Number: 2, Server: None}, "refuse:running"},
			{3, ForkFailed{}, ""},
			{3, DisarmAsked{Number: 2, Server: Standby}, "accept"},
			{30, Tick{}, ""},
			{31, Looked{Writable, 31}, "kill latch(fired=true spent=)"},
		},
		"agents": {
			{1, Started{}, ""},
			{1, AgentJoined{PID: 7, Kill: true}, "accept"},
			{1, AgentJoined{PID: 8}, "refuse:busy"},
			{1, AgentJoined{PID: 7, Kill: true}, "accept"},
			{1, arm(1, "A", 10, 20), "accept"},
			{20, Tick{}, "kill kill-agent(7) latch(fired=true spent=A)"},
			{21, Killed{}, "writestandbysignal"},
			{22, AgentGone{PID: 7}, ""},
			{22, AgentJoined{PID: 8, Kill: true}, "accept"},
			{23, Looked{Writable, 23}, "kill latch(fired=true spent=A)"},
		},
		"the agent that armed is dead, its successor isn't killed for it": {
			{1, Started{}, ""},
			{1, AgentJoined{PID: 7, Kill: true}, "accept"},
			{1, arm(1, "A", 10, 20), "accept"},
			{2, AgentGone{PID: 7}, ""},
			{3, AgentJoined{PID: 8, Kill: true}, "accept"},
			{20, Tick{}, "kill latch(fired=true spent=A)"},
		},
		"idle guards end": {
			{1, Started{}, ""},
			{5, AgentJoined{PID: 7}, "accept"},
			{clock.Instant(linger) + 1, Tick{}, ""},
			{clock.Instant(linger) + 2, AgentGone{PID: 7}, ""},
			{clock.Instant(2*linger) + 1, Tick{}, ""},
			{clock.Instant(2*linger) + 2, Tick{}, "exit"},
		},
		"told to end": {
			{1, Started{}, ""},
			{1, standby, "accept fork<0"},
			{1, Forked{}, ""},
			{2, Ending{}, "interrupt"},
			{3, standby, "refuse:ending"},
			{4, Exited{}, "exit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c Core
			for _, l := range script {
				if got := show(c.Step(l.at, l.event)); got != l.want {
					t.Errorf("at %d %T%+v: got %q, want %q", l.at, l.event, l.event, got, l.want)
				}
			}
		})
	}
}

func TestSpentRemembersTheLatest(t *testing.T) {
	var s Spent
	for i := range 20 {
		s.add(fmt.Sprint(i))
		s.add(fmt.Sprint(i))
	}
	if !s.has("19") || !s.has("4") || s.has("3") || s.has("") || s.last() != "19" || len(s.list()) != len(s) {
		t.Errorf("spent is %v", s)
	}
}
