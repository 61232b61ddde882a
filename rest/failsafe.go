package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/regent-ha/regent/ha"
)

// pledgeTimeout is as long as the asking leader waits at most.
const pledgeTimeout = 2 * time.Second

const accepted = "Accepted"

// termsHeader says whose pledge an accepted one is: the body must be what Patroni's
// leaders wait for.
const termsHeader = "Regent-Pledge"

// termsText is t as JSON of ASCII characters alone, as fits into a header.
func termsText(t ha.PledgeTerms) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic("rest: terms of a pledge that can't be encoded: " + err.Error()) // they are texts and a number
	}
	var ascii strings.Builder
	for _, unit := range utf16.Encode([]rune(string(text))) {
		if unit < 0x7f {
			ascii.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.String()
}

// failsafe answers GET /failsafe: the map of members that must pledge.
func (s *Server) failsafe(w http.ResponseWriter, _ *http.Request) {
	members := s.agent.Report().Cluster.Failsafe.Members
	if members == nil {
		errorPage(w, http.StatusBadGateway, "")
		return
	}
	document(w, http.StatusOK, members)
}

// pledge answers POST /failsafe: a leader that has lost the store asks us to
// stay in our place.
func (s *Server) pledge(w http.ResponseWriter, r *http.Request) {
	text, ok := s.readBody(w, r, false)
	if !ok {
		return
	}
	var asked ha.PledgeRequest
	if err := json.Unmarshal(text, &asked); err != nil || asked.Name == "" {
		errorPage(w, http.StatusBadRequest, "")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pledgeTimeout)
	defer cancel()
	answer, err := s.agent.Pledge(ctx, asked)
	switch {
	case errors.Is(err, ha.ErrFailsafeOff):
		errorPage(w, http.StatusBadGateway, "")
	case errors.Is(err, ha.ErrRunningAsLeader):
		sentence(w, http.StatusInternalServerError, "Running as a leader")
	case err != nil:
		sentence(w, http.StatusInternalServerError, err.Error())
	default:
		w.Header()["lsn"] = []string{strconv.FormatUint(answer.LSN, 10)}
		w.Header().Set(termsHeader, termsText(answer.Terms))
		sentence(w, http.StatusOK, accepted)
	}
}
