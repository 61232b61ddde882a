package fence

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// event is one of inotify's, as the kernel writes it (inotify(7)).
func event(mask uint32, name string) []byte {
	length := (len(name)/16 + 1) * 16
	b := make([]byte, unix.SizeofInotifyEvent+length)
	binary.NativeEndian.PutUint32(b[4:], mask)
	binary.NativeEndian.PutUint32(b[12:], uint32(length))
	copy(b[unix.SizeofInotifyEvent:], name)
	return b
}

// An agent replaces standby.signal before it starts a standby under the latch:
// that must not look like the end of a recovery.
func TestPromotionAmongEvents(t *testing.T) {
	for name, c := range map[string]struct {
		events [][]byte
		there  bool // standby.signal
		want   bool
	}{
		"asked for":           {[][]byte{event(unix.IN_CREATE, "postmaster.pid"), event(unix.IN_CREATE, "promote")}, true, true},
		"asked for by rename": {[][]byte{event(unix.IN_MOVED_TO, "promote")}, true, true},
		"taken back":          {[][]byte{event(unix.IN_DELETE, "promote")}, true, false},
		"end of recovery":     {[][]byte{event(unix.IN_DELETE, "standby.signal")}, false, true},
		"moved away":          {[][]byte{event(unix.IN_MOVED_FROM, "standby.signal")}, false, true},
		"replaced":            {[][]byte{event(unix.IN_MOVED_FROM, "standby.signal"), event(unix.IN_MOVED_TO, "standby.signal")}, true, false},
		"comes":               {[][]byte{event(unix.IN_CREATE, "standby.signal")}, true, false},
		"others":              {[][]byte{event(unix.IN_CREATE, "promoted"), event(unix.IN_DELETE, "standby.signal.old")}, false, false},
		"nothing":             {nil, true, false},
	} {
		var all []byte
		for _, e := range c.events {
			all = append(all, e...)
		}
		if got := promotion(all, func() bool { return c.there }); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
