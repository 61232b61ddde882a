package main

import (
	"fmt"
	"strings"
)

// situation is what a member that leads the store knows of whether it should.
//
// A change of the store's leader makes every lease begin anew (etcd's lessor,
// Promote). If a machine is lost that has a primary and the store's leader, the
// primary's lease ends up to twice as late as it should. So the store's leader
// stays away from primaries.
type situation struct {
	here   []string // clusters whose primary is on this machine
	waning []string // clusters whose leader was not heard from lately
	voters int      // of the store, this member among them
	others []voter  // the other ones
}

// voter is another member of the store.
type voter struct {
	id   uint64
	name string
	sane bool // it answers and has what we have
	free bool // it is on another machine, where no primary is
}

// refusal is why leadership stays although a primary is here. A passing one is
// over by itself.
type refusal struct {
	why     string
	passing bool
}

// successor is who should lead instead of this member; nil without a refusal:
// nobody has to.
func (s situation) successor() (*voter, *refusal) {
	if len(s.here) == 0 {
		return nil, nil
	}
	sane := 0
	var to *voter
	for i, v := range s.others {
		if !v.sane {
			continue
		}
		sane++
		if v.free && to == nil {
			to = &s.others[i]
		}
	}
	switch {
	case sane <= s.voters/2:
		// Also the case of one member and of two. Without this machine there
		// would be no store, whoever leads it.
		return nil, &refusal{why: fmt.Sprintf("of %d members, %d others are well: without this machine they would be no majority", s.voters, sane)}
	case to == nil:
		return nil, &refusal{why: "there is no other machine without a primary"}
	case len(s.waning) > 0:
		return nil, &refusal{why: "the leader of " + strings.Join(s.waning, ", ") + " may be lost, and its lease would begin anew", passing: true}
	}
	return to, nil
}

// looks is how many looks in a row must find that another member should lead
// before this one lets go.
const looks = 3

// patience is how many it takes after so many moves within the hour: each doubles
// it. Wherever addresses don't tell machines apart, moves become rare.
func patience(moves int) int { return looks << min(moves, 10) }
