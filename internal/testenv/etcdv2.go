package testenv

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// enableAuthV2 makes the users of API v2, and leaves those without a login no right
// to the keys.
func (c *EtcdCluster) enableAuthV2(tb testing.TB, password string) {
	tb.Helper()
	rights := func(path string) map[string]any {
		return map[string]any{"kv": map[string]any{"read": []string{path}, "write": []string{path}}}
	}
	c.putV2(tb, "/v2/auth/users/root", "", map[string]any{"user": "root", "password": password})
	c.putV2(tb, "/v2/auth/roles/ha", "", map[string]any{"role": "ha", "permissions": rights("/service/*")})
	c.putV2(tb, "/v2/auth/users/regent", "", map[string]any{"user": "regent", "password": password, "roles": []string{"ha"}})
	c.putV2(tb, "/v2/auth/enable", "", nil)
	c.putV2(tb, "/v2/auth/roles/guest", password, map[string]any{"role": "guest", "revoke": rights("/*")})
	c.Username, c.Password = "regent", password
}

// putV2 makes a request to API v2, as root if there is a password.
func (c *EtcdCluster) putV2(tb testing.TB, path, password string, body any) {
	tb.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.TLS, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	scheme := "http://"
	if c.TLS != nil {
		scheme = "https://"
	}
	Eventually(tb, 20*time.Second, "an answer to PUT "+path, func() error {
		q, err := http.NewRequest(http.MethodPut, scheme+c.Members[0].Addr+path, bytes.NewReader(text))
		if err != nil {
			return err
		}
		q.Header.Set("Content-Type", "application/json")
		if password != "" {
			q.SetBasicAuth("root", password)
		}
		response, err := client.Do(q)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if answer, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
			tb.Fatalf("testenv: PUT %s: %s: %s", path, response.Status, answer)
		}
		return nil
	})
}
