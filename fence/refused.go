package fence

// Reason is why a guard refuses, for programs.
type Reason string

// Reasons of a refusal.
const (
	RefusedInvalid  Reason = "invalid"  // the request contradicts itself
	RefusedNumber   Reason = "number"   // its number is used up, or isn't the one in force
	RefusedSpent    Reason = "spent"    // the guard fired on this grant
	RefusedLate     Reason = "late"     // its instant has passed
	RefusedLatched  Reason = "latched"  // not armed
	RefusedFenced   Reason = "fenced"   // it was fenced and must come back as a standby first
	RefusedRunning  Reason = "running"  // a server runs that must not
	RefusedKilling  Reason = "killing"  // what it fired on isn't gone yet
	RefusedEnding   Reason = "ending"   // the guard was told to end
	RefusedBusy     Reason = "busy"     // another agent that lives has this data directory
	RefusedProtocol Reason = "protocol" // the two don't speak one protocol
)

// RefusedError is a guard's definite no: nothing was done. Any other error of a
// Guard's method leaves open whether it was.
type RefusedError struct {
	Reason Reason
	Detail string
}

func (e *RefusedError) Error() string { return "refused: " + e.Detail }
