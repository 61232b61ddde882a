package zookeeper

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/dcs"
)

// refusal is the server's word on a request; 0: err isn't one.
func refusal(err error) code {
	var c code
	if errors.As(err, &c) {
		return c
	}
	return 0
}

// IsLoginRefused says whether err is a server's answer to credentials that it
// doesn't accept, or that don't allow what was asked for.
func IsLoginRefused(err error) bool {
	return errors.Is(err, codeAuthFailed) || errors.Is(err, codeNoAuth)
}

// version tells a document's states apart, also over its removal: ZooKeeper's own
// begins at 0 again.
func (s stat) documentVersion() dcs.Version {
	return dcs.Version(fmt.Sprintf("%x.%d", s.created, s.version))
}

// checkCondition refuses a version that no document of this store can have.
func checkCondition(v dcs.Version) error {
	if v == dcs.Any || v == dcs.Absent {
		return nil
	}
	created, version, _ := strings.Cut(string(v), ".")
	_, errCreated := strconv.ParseInt(created, 16, 64)
	_, errVersion := strconv.ParseInt(version, 10, 32)
	if errCreated != nil || errVersion != nil {
		return fmt.Errorf("%q is no version that this store gave", v)
	}
	return nil
}
