package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// readObject reads the JSON object that a request carries. Where it may be
// missing, an absent one is an empty object. On anything else it answers the
// request itself and returns false.
func (s *Server) readObject(w http.ResponseWriter, r *http.Request, optional bool) (map[string]any, bool) {
	text, ok := s.readBody(w, r, optional)
	if !ok {
		return nil, false
	}
	if len(text) == 0 && optional {
		return map[string]any{}, true
	}
	var values map[string]any
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil || dec.More() || len(values) == 0 && !optional {
		errorPage(w, http.StatusBadRequest, "")
		return nil, false
	}
	if values == nil {
		values = map[string]any{}
	}
	return values, true
}

func (s *Server) readBody(w http.ResponseWriter, r *http.Request, optional bool) ([]byte, bool) {
	// Once the body was in time its deadline mustn't end a long command: what
	// waits for the end of the connection would take it for one.
	defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }()
	if r.Header.Get("Content-Length") == "" {
		if optional && r.ContentLength == 0 {
			return nil, true
		}
		errorPage(w, http.StatusLengthRequired, "")
		return nil, false
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		errorPage(w, http.StatusRequestEntityTooLarge, "")
		return nil, false
	case err != nil:
		errorPage(w, http.StatusBadRequest, "")
		return nil, false
	}
	s.room.working(r.Context())
	return text, true
}
