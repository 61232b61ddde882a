package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
)

// config answers GET /config: the dynamic configuration.
func (s *Server) config(w http.ResponseWriter, r *http.Request) {
	c, ok := s.read(w, r)
	switch {
	case !ok:
	case c.Config.Values == nil:
		errorPage(w, http.StatusBadGateway, "")
	default:
		document(w, http.StatusOK, c.Config.Values)
	}
}

// patchConfig answers PATCH /config.
func (s *Server) patchConfig(w http.ResponseWriter, r *http.Request) {
	patch, ok := s.readObject(w, r, false)
	if !ok {
		return
	}
	c, ok := s.read(w, r)
	if !ok {
		return
	}
	if c.Config.Values == nil {
		errorPage(w, http.StatusServiceUnavailable, "")
		return
	}
	values, changed := Merge(c.Config.Values, plain(patch))
	if problems := NewProblems(c.Config.Values, values); problems != "" {
		sentence(w, http.StatusBadRequest, problems)
		return
	}
	if changed && !s.putValues(w, r, values, c.Config.Version, http.StatusServiceUnavailable) {
		return
	}
	document(w, http.StatusOK, values)
}

// putConfig answers PUT /config: the body becomes the configuration whatever
// there was.
func (s *Server) putConfig(w http.ResponseWriter, r *http.Request) {
	body, ok := s.readObject(w, r, false)
	if !ok {
		return
	}
	values := plain(body)
	if problems := NewProblems(nil, values); problems != "" {
		sentence(w, http.StatusBadRequest, problems)
		return
	}
	if s.putValues(w, r, values, dcs.Any, http.StatusBadGateway) {
		document(w, http.StatusOK, values)
	}
}

// putValues writes the configuration. On an error it answers the request, with
// failed if the outcome isn't known, and returns false.
func (s *Server) putValues(w http.ResponseWriter, r *http.Request, values map[string]any, prev dcs.Version, failed int) bool {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	_, err := s.agent.Client().PutConfig(ctx, values, prev)
	switch {
	case errors.Is(err, dcs.ErrConflict):
		errorPage(w, http.StatusConflict, "")
	case err != nil:
		s.log.Warn("the configuration could not be written", "error", err)
		errorPage(w, failed, "")
	default:
		s.agent.Wake()
		return true
	}
	return false
}

// NewProblems are the lines about values of a dynamic configuration that can't be
// used, less those that were true before: who repairs one thing isn't to be kept
// from it by another. Empty: none.
func NewProblems(before, after map[string]any) string {
	found := slices.DeleteFunc(problems(after), func(line string) bool { return slices.Contains(problems(before), line) })
	return strings.Join(found, "\n")
}

func problems(values map[string]any) []string {
	if values == nil {
		return nil
	}
	settings, _, err := ha.ParseSettings(values, ha.ShortFloors())
	if err == nil {
		err = settings.Timing().Check()
	}
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// plain gives numbers of a decoded body the types that dcs.Configuration has, so
// that equal values are equal.
func plain(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for name, v := range values {
		out[name] = plainValue(v)
	}
	return out
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return plain(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plainValue(v[i])
		}
		return list
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		if f, err := v.Float64(); err == nil && strconv.FormatFloat(f, 'g', -1, 64) == v.String() {
			return f
		}
	}
	return v
}
