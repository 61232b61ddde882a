package dcs

import (
	"fmt"
	"strings"
)

// maxSlotName is NAMEDATALEN-1 of PostgreSQL.
const maxSlotName = 63

// SlotName is the replication slot of a member: its name in lower case, - and .
// as _, any other character outside of a-z, 0-9 and _ as u and its code point in
// at least four decimal digits, cut to 63 characters.
func SlotName(member string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(member) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r == '-', r == '.':
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "u%04d", r)
		}
	}
	name := b.String()
	return name[:min(len(name), maxSlotName)]
}
