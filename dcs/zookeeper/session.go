package zookeeper

import (
	"strconv"
	"time"
)

// session is one on the server, as a client attaches to it. Id 0: a new one.
type session struct {
	id       int64
	asked    time.Duration // the timeout that is asked for
	password [16]byte
}

// sessionID is the name of a session, as the servers' logs have it but for 0x.
func sessionID(id int64) string { return strconv.FormatUint(uint64(id), 16) }

// parseSessionID is the inverse of sessionID; ok is false for what names none.
func parseSessionID(s string) (id int64, ok bool) {
	n, err := strconv.ParseUint(s, 16, 64)
	return int64(n), err == nil && n != 0 && sessionID(int64(n)) == s
}

// passwordOf is the password of a session. Any server must know that of a session
// which another one gave, and nothing of it is replicated: it follows from the
// session's id (ZooKeeperServer.generatePasswd). So an id is all that a restarted
// agent needs to go on, and a password keeps nobody away.
func passwordOf(id int64) (password [16]byte) {
	// java.util.Random, whose algorithm its documentation fixes.
	const multiplier, addend, mask = 0x5DEECE66D, 0xB, 1<<48 - 1
	seed := (uint64(id) ^ 0xB3415C00 ^ multiplier) & mask
	for i := 0; i < len(password); i += 4 {
		seed = (seed*multiplier + addend) & mask
		n := uint32(seed >> 16)
		for j := range 4 {
			password[i+j] = byte(n >> (8 * j))
		}
	}
	return password
}
