package rest

import (
	"net/http"
	"strings"
)

// route is what one method does on one first element of the path.
type route struct {
	serve func(*Server, http.ResponseWriter, *http.Request)
	// changes says that the access rules hold.
	changes bool
	// pledge says that the members' addresses never close this one: the store
	// that names them may be what is lost.
	pledge bool
}

// table is every route by method and first element. What isn't there is a health
// check for GET, HEAD and OPTIONS.
func (s *Server) table() map[string]route {
	return map[string]route{
		"GET liveness":  {serve: (*Server).liveness},
		"GET readiness": {serve: (*Server).readiness},
		"GET patroni":   {serve: (*Server).status},
		"GET cluster":   {serve: (*Server).cluster},
		"GET history":   {serve: (*Server).history},
		"GET config":    {serve: (*Server).config},
		"GET metrics":   {serve: (*Server).exposition},
		"GET failsafe":  {serve: (*Server).failsafe},
		"GET decisions": {serve: (*Server).decisions},

		"PATCH config":      {serve: (*Server).patchConfig, changes: true},
		"PUT config":        {serve: (*Server).putConfig, changes: true},
		"POST reload":       {serve: (*Server).reload, changes: true},
		"POST restart":      {serve: (*Server).restart, changes: true},
		"DELETE restart":    {serve: (*Server).unscheduleRestart, changes: true},
		"POST reinitialize": {serve: (*Server).reinitialize, changes: true},
		"POST switchover":   {serve: (*Server).switchover, changes: true},
		"POST failover":     {serve: (*Server).failover, changes: true},
		"DELETE switchover": {serve: (*Server).unscheduleSwitchover, changes: true},
		"POST failsafe":     {serve: (*Server).pledge, changes: true, pledge: true},
	}
}

// serve dispatches by method and first element of the path: GET /metrics/x is
// GET /metrics.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w = newBounded(w, s.o.RequestTimeout)
	if r.ContentLength == 0 {
		s.room.working(r.Context())
	}
	s.header(w, r)
	first, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	route, ok := s.routes[r.Method+" "+first]
	switch {
	case ok && route.changes && !s.access.allows(s, w, r, route.pledge):
	case ok:
		route.serve(s, w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions:
		s.health(w, r)
	default:
		errorPage(w, http.StatusNotImplemented, "Unsupported method ('"+r.Method+"')")
	}
}

// header sets what every answer has in common.
func (s *Server) header(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", s.product())
	for name, value := range s.o.Headers {
		h.Set(name, value)
	}
	if r.TLS == nil {
		return
	}
	for name, value := range s.o.TLSHeaders {
		h.Set(name, value)
	}
}

func (s *Server) product() string {
	switch s.o.ServerTokens {
	case "productonly":
		return "Patroni"
	case "minimal":
		return "Patroni/" + formatVersion
	}
	return "regent/" + s.o.Release
}
