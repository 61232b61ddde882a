package rest

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Whatever a body says it is answered, and never by "our fault".
func FuzzBodies(f *testing.F) {
	for _, body := range []string{`{"leader": "a", "candidate": "b"}`, `{"role": "replica", "timeout": "5s", "postgres_version": "9.5"}`, `{"ttl": 1e400}`,
		`{"scheduled_at": "2099-01-01T00:00:00+00:00", "leader": "a"}`, `{"a": {"b": {"c": [null, {}]}}}`, `{"name": "b", "slots": {"x": 1}}`, "\x00", "[[[["} {
		f.Add(body, "/replica?lag=16kB&tag_x=1")
	}
	f.Fuzz(func(t *testing.T, body, path string) {
		n := newNode(t)
		n.agent.report = healthy()
		for name := range changing {
			method, target, _ := strings.Cut(name, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			r.Header.Set("Content-Length", "1") // the body's end is the end
			answer := httptest.NewRecorder()
			n.server.serve(answer, r)
			if !slices.Contains([]int{200, 202, 400, 404, 412, 413, 422, 503}, answer.Code) {
				t.Errorf("%s %q: %d %s", name, body, answer.Code, answer.Body)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		answer := httptest.NewRecorder()
		n.server.serve(answer, r)
		if answer.Code != 200 && answer.Code != 502 && answer.Code != 503 {
			t.Errorf("%q: %d", path, answer.Code)
		}
	})
}
