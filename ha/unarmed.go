package ha

import (
	"fmt"
	"time"
)

// unarmedWait is for how long a grant that was won is armed again and again: a
// guard that lives answers in milliseconds.
const unarmedWait = 2 * time.Second

// futilePause is for how long nobody runs again who couldn't tell beforehand that
// nothing would rest on its grant: the time in which the others take over.
const futilePause = 2 * handedOverWait

// neverArmed says whether we hold a grant that was never confirmed, by a note and the
// guard's word where there is one, and under which the server was never writable:
// nothing rests on it, and nobody else can have it.
func neverArmed(v view) bool {
	return v.Term.held() && v.Term.Armed == 0 && v.Term.Writable == ""
}

// worthless says why nothing will ever rest on the grant that we hold; empty:
// something may.
func worthless(v view) string {
	switch {
	case !neverArmed(v):
		return ""
	case !v.Guard.Off && !v.Guard.Connected:
		return "the guard doesn't answer"
	case v.NotesErr != "":
		return "the lease can't be written down: " + v.NotesErr
	case v.Now.Sub(v.Memory.Unarmed) >= unarmedWait:
		return fmt.Sprintf("it could not be confirmed in %v", unarmedWait)
	}
	return ""
}
