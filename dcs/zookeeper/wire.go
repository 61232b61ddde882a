package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The wire format is jute's: big-endian numbers, a length before what varies
// (ZooKeeper's zookeeper.jute).

// message is a request or its body while it is written.
type message []byte

func (m message) int32(n int32) message { return binary.BigEndian.AppendUint32(m, uint32(n)) }
func (m message) int64(n int64) message { return binary.BigEndian.AppendUint64(m, uint64(n)) }

func (m message) bool(b bool) message {
	if b {
		return append(m, 1)
	}
	return append(m, 0)
}

func (m message) text(s string) message { return append(m.int32(int32(len(s))), s...) }

// bytes writes a value; nil is told from an empty one, and reads as empty in
// every client.
func (m message) bytes(b []byte) message { return append(m.int32(int32(len(b))), b...) }

// answer is a reply while it is read. What is missing reads as zero and is
// remembered.
type answer struct {
	rest []byte
	err  error
}

var errGarbage = errors.New("the answer isn't ZooKeeper's")

func (a *answer) take(n int) []byte {
	if n < 0 || n > len(a.rest) {
		a.err, a.rest = errGarbage, nil
		return nil
	}
	taken := a.rest[:n]
	a.rest = a.rest[n:]
	return taken
}

func (a *answer) int32() int32 {
	if b := a.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (a *answer) int64() int64 {
	if b := a.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (a *answer) bool() bool {
	b := a.take(1)
	return b != nil && b[0] != 0
}

// bytes reads a value; that of length -1, null, is empty.
func (a *answer) bytes() []byte {
	n := a.int32()
	if n == -1 {
		return []byte{}
	}
	return append([]byte{}, a.take(int(n))...)
}

func (a *answer) text() string { return string(a.bytes()) }

func (a *answer) texts() (list []string) {
	for n := a.int32(); n > 0 && a.err == nil; n-- {
		list = append(list, a.text())
	}
	return list
}

// stat is what the server knows about a node.
type stat struct {
	created  int64 // czxid: the transaction that created it
	modified int64 // mzxid
	version  int32 // of its value, from 0 at its creation
	owner    int64 // the session that it ends with; 0: none
	children int32
	listed   int64 // pzxid: the transaction that changed its children last
}

func (a *answer) stat() stat {
	s := stat{created: a.int64(), modified: a.int64()}
	a.take(16) // times
	s.version = a.int32()
	a.take(8) // versions of children and ACL
	s.owner = a.int64()
	a.take(4) // length of the value
	s.children = a.int32()
	s.listed = a.int64()
	return s
}

// code is the server's word on a request (KeeperException.Code).
type code int32

const (
	codeNoNode         code = -101
	codeNoAuth         code = -102
	codeBadVersion     code = -103
	codeNodeExists     code = -110
	codeNotEmpty       code = -111
	codeSessionExpired code = -112
	codeAuthFailed     code = -115
	codeSessionMoved   code = -118
	codeRolledBack     code = -2 // of an operation in a multi after the one that failed
)

var codeTexts = map[code]string{
	-1:                 "the server had a system error",
	-4:                 "the server lost its connection",
	-5:                 "the request is too large or malformed",
	-6:                 "the server doesn't know this operation",
	-7:                 "the server's time was up",
	-8:                 "the server doesn't take the arguments",
	codeNoNode:         "there is no such node",
	codeNoAuth:         "permission denied",
	codeBadVersion:     "the node has another version",
	-108:               "the node ends with its session and can have no children",
	codeNodeExists:     "the node exists",
	codeNotEmpty:       "the node has children",
	codeSessionExpired: "the session has ended",
	-114:               "the server doesn't take the ACL",
	codeAuthFailed:     "the server refuses the credentials",
	codeSessionMoved:   "the session has moved to another connection",
	-119:               "the server serves reads only",
	-125:               "the quota is used up",
	-127:               "the server throttles requests",
}

func (c code) Error() string {
	if text, ok := codeTexts[c]; ok {
		return text
	}
	return fmt.Sprintf("the server answers with error %d", int32(c))
}
