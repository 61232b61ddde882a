package servers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// API makes requests to an API server of Kubernetes with all rights, past any
// client library.
type API struct {
	URL   string
	Token string
	http  *http.Client
}

// Open returns the way to the API server on addr. Its certificate must be there.
func (k Kubernetes) Open(addr string) (*API, error) {
	text, err := os.ReadFile(k.CA())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", k.CA())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	return &API{URL: "https://" + addr, Token: k.Token, http: &http.Client{Transport: transport}}, nil
}

// Serves returns nil when the server is ready.
func (a *API) Serves(ctx context.Context) error {
	_, err := a.Do(ctx, http.MethodGet, "/readyz", nil)
	return err
}

// Do makes a request and returns the answer. To make an object that is there
// already is no error.
func (a *API) Do(ctx context.Context, method, path string, body any) ([]byte, error) {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, a.URL+path, &text)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+a.Token)
	q.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		q.Header.Set("Content-Type", "application/merge-patch+json")
	}
	r, err := a.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode == http.StatusConflict && method == http.MethodPost:
		return answer, nil
	case r.StatusCode >= 300:
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, r.Status, answer)
	}
	return answer, nil
}

// object is one in Kubernetes' notation.
type object = map[string]any

// Namespace makes a namespace.
func (a *API) Namespace(ctx context.Context, name string) error {
	_, err := a.Do(ctx, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": name}})
	return err
}

// Pod makes a Pod that nobody will run, with an address as a kubelet would give it.
func (a *API) Pod(ctx context.Context, namespace, name, ip string, labels map[string]string) error {
	path := "/api/v1/namespaces/" + namespace + "/pods"
	_, err := a.Do(ctx, http.MethodPost, path, object{
		"metadata": object{"name": name, "labels": labels},
		"spec":     object{"containers": []any{object{"name": "postgresql", "image": "none"}}},
	})
	if err != nil {
		return err
	}
	_, err = a.Do(ctx, http.MethodPatch, path+"/"+name+"/status", object{"status": object{
		"phase": "Running", "podIP": ip, "podIPs": []any{object{"ip": ip}},
	}})
	return err
}

// ServiceAccountToken is a token such as the kubelet puts into a Pod.
func (a *API) ServiceAccountToken(ctx context.Context, namespace, account string) (string, error) {
	text, err := a.Do(ctx, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{},
	})
	if err != nil {
		return "", err
	}
	var answer struct{ Status struct{ Token string } }
	err = json.Unmarshal(text, &answer)
	if err == nil && answer.Status.Token == "" {
		err = fmt.Errorf("there is none for %s", account)
	}
	return answer.Status.Token, err
}

// resources are the paths of the kinds of objects in our manifests.
var resources = map[string]string{
	"ServiceAccount": "/api/v1/namespaces/%/serviceaccounts",
	"Role":           "/apis/rbac.authorization.k8s.io/v1/namespaces/%/roles",
	"RoleBinding":    "/apis/rbac.authorization.k8s.io/v1/namespaces/%/rolebindings",
}

// Apply makes all objects of a manifest, in namespace instead of the one that
// they name.
func (a *API) Apply(ctx context.Context, manifest []byte, namespace string) error {
	for documents := yaml.NewDecoder(bytes.NewReader(manifest)); ; {
		var o object
		if err := documents.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		kind, _ := o["kind"].(string)
		path, ok := resources[kind]
		if !ok {
			return fmt.Errorf("no path is known for a %q", kind)
		}
		inNamespace(o, namespace)
		if _, err := a.Do(ctx, http.MethodPost, strings.ReplaceAll(path, "%", namespace), o); err != nil {
			return err
		}
	}
}

// inNamespace replaces each namespace in an object.
func inNamespace(v any, namespace string) {
	switch v := v.(type) {
	case object:
		for key, below := range v {
			if _, isText := below.(string); isText && key == "namespace" {
				v[key] = namespace
				continue
			}
			inNamespace(below, namespace)
		}
	case []any:
		for _, below := range v {
			inNamespace(below, namespace)
		}
	}
}
