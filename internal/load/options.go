package load

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options say how many clusters there are and how long they are watched.
type Options struct {
	Etcd     string // path of the program
	Clusters int
	Members  int // of each cluster, the leader among them: at least 1
	TTL      time.Duration
	LoopWait time.Duration
	For      time.Duration // how long each phase is measured
	Writes   bool          // a second phase: all positions change in each cycle
	Dir      string        // for etcd's data, on the disk that is to be measured
	Out      io.Writer     // gets progress and figures
}

func (o Options) check() error {
	switch {
	case o.Etcd == "":
		return errors.New("load: Etcd is missing: the path of the program")
	case o.Dir == "":
		return errors.New("load: Dir is missing: a folder for etcd's data")
	case o.Clusters < 1:
		return fmt.Errorf("load: Clusters is %d: at least 1", o.Clusters)
	case o.Members < 1:
		return fmt.Errorf("load: Members is %d: at least 1", o.Members)
	case o.LoopWait <= 0 || o.TTL < 2*o.LoopWait:
		return fmt.Errorf("load: TTL is %v and LoopWait %v: at least two of it, which is positive", o.TTL, o.LoopWait)
	case o.For <= 0:
		return fmt.Errorf("load: For is %v: it must be positive", o.For)
	}
	return nil
}
