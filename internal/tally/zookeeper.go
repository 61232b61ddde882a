package tally

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// operations of ZooKeeper's protocol (ZooDefs.OpCode), less those that members
// never send.
var operations = map[int32]string{
	1: "create", 2: "delete", 3: "exists", 4: "getData", 5: "setData", 8: "getChildren", 9: "sync", 11: Watching,
	12: "getChildren2", 14: "multi", 15: "create2", 22: "multiRead", 100: "auth", 101: "setWatches", 105: "setWatches2", 106: "addWatch", -11: "closeSession",
}

// readZooKeeper counts packets until the connection ends: each has its length before
// it, and but for the first one the number of the request and its kind.
func readZooKeeper(said *bufio.Reader, count func(what string)) error {
	const most = 16 << 20
	for first := true; ; first = false {
		var length int32
		if err := binary.Read(said, binary.BigEndian, &length); err != nil {
			return err
		}
		if length < 8 || length > most {
			return fmt.Errorf("a packet of %d bytes is none of ZooKeeper's", length)
		}
		var head struct{ Number, Kind int32 }
		if err := binary.Read(said, binary.BigEndian, &head); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, said, int64(length)-8); err != nil {
			return err
		}
		name, known := operations[head.Kind]
		switch {
		case first:
			name = "connect"
		case !known:
			name = fmt.Sprintf("operation %d", head.Kind)
		}
		count(name)
	}
}
