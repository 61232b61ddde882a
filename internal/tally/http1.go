package tally

import (
	"bufio"
	"io"
	"net/http"
	"strings"
)

// readHTTP1 counts requests until the connection ends.
func readHTTP1(said *bufio.Reader, count func(what string)) error {
	for {
		r, err := http.ReadRequest(said)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		count(nameOf(r))
	}
}

// nameOf is what a request asks for: the paths of etcd, Consul and Kubernetes less
// what tells one key from another.
func nameOf(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "v1" && r.URL.Query().Has("index"), parts[0] == "v2" && r.URL.Query().Has("wait"):
		return Watching
	case parts[0] == "api" && r.URL.Query().Has("watch"):
		return Watching
	case parts[0] == "api" && len(parts) > 4: // api/v1/namespaces/NAMESPACE/KIND
		return r.Method + " " + parts[4]
	case parts[0] == "v2" && len(parts) > 1: // version 2 of etcd's
		return r.Method + " " + parts[1]
	case parts[0] == "v1" && len(parts) > 2 && parts[1] != "kv":
		return r.Method + " " + parts[1] + "/" + parts[2]
	case parts[0] == "v1" && len(parts) > 1:
		return r.Method + " " + parts[1]
	}
	return r.Method + " " + r.URL.Path // etcd's have no key in them
}
