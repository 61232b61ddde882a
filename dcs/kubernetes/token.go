package kubernetes

import (
	"fmt"
	"net/http"
	"os"
	"strings"
)

// tokenFile adds the token in a file to each request. It is read each time: a
// kubelet replaces it long before it ends, and a request that was refused finds
// the new one when it is made again.
type tokenFile struct {
	path string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t tokenFile) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := os.ReadFile(t.path)
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = fmt.Errorf("%s is empty", t.path)
	}
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("token: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(text)))
	return t.next.RoundTrip(r)
}
