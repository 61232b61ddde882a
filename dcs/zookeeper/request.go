package zookeeper

import "fmt"

// Operations of the protocol (ZooDefs.OpCode).
const (
	opCreate       = 1
	opDelete       = 2
	opExists       = 3
	opGetData      = 4
	opSetData      = 5
	opPing         = 11
	opGetChildren2 = 12
	opCheck        = 13
	opMulti        = 14
	opCreate2      = 15
	opAuth         = 100
	opAddWatch     = 106
	opCloseSession = -11
	opError        = -1
)

const (
	anyVersion = -1
	ephemeral  = 1 // flag of a node that ends with its session
)

// change is one operation of a multi.
type change struct {
	op   int32
	path string // for errors
	body message
}

// acl is a node's access list as it is sent.
type acl = message

func create(path string, value []byte, acl acl, flags int32) change {
	return change{opCreate, path, append(message{}.text(path).bytes(value), acl...).int32(flags)}
}

func set(path string, value []byte, version int32) change {
	return change{opSetData, path, message{}.text(path).bytes(value).int32(version)}
}

func remove(path string, version int32) change {
	return change{opDelete, path, message{}.text(path).int32(version)}
}

func check(path string, version int32) change {
	return change{opCheck, path, message{}.text(path).int32(version)}
}

// multi is all changes or none.
func multi(changes []change) message {
	var m message
	for _, c := range changes {
		m = append(m.int32(c.op).bool(false).int32(-1), c.body...)
	}
	return m.int32(-1).bool(true).int32(-1)
}

// refusedChange is why a multi changed nothing.
type refusedChange struct {
	at   int // which of its changes
	path string
	code code
}

func (e *refusedChange) Error() string { return fmt.Sprintf("%s: %v", e.path, e.code) }
func (e *refusedChange) Unwrap() error { return e.code }

// multiAnswer returns the nodes that were set, by the index of their change, or
// the change that was refused.
func multiAnswer(a *answer, changes []change) (map[int]stat, error) {
	set := map[int]stat{}
	for i := 0; ; i++ {
		op, done, _ := a.int32(), a.bool(), a.int32()
		if a.err != nil {
			return nil, a.err
		}
		if done {
			if i != len(changes) {
				return nil, errGarbage
			}
			return set, nil
		}
		switch op {
		case opCreate:
			a.text()
		case opSetData:
			set[i] = a.stat()
		case opCheck, opDelete:
		case opError:
			c := code(a.int32())
			if c != 0 && c != codeRolledBack {
				if i >= len(changes) {
					return nil, errGarbage
				}
				return nil, &refusedChange{i, changes[i].path, c}
			}
		default:
			return nil, errGarbage
		}
	}
}
