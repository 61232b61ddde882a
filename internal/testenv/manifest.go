package testenv

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// resources are the paths of the kinds of objects in our manifests.
var resources = map[string]string{
	"ServiceAccount": "/api/v1/namespaces/%/serviceaccounts",
	"Role":           "/apis/rbac.authorization.k8s.io/v1/namespaces/%/roles",
	"RoleBinding":    "/apis/rbac.authorization.k8s.io/v1/namespaces/%/rolebindings",
}

// Apply makes all objects of a manifest, in a namespace of the test's choice
// instead of the one that they name.
func (c *KubernetesCluster) Apply(tb testing.TB, manifest, namespace string) {
	tb.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o map[string]any
		if err := documents.Decode(&o); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			tb.Fatalf("testenv: %s: %v", manifest, err)
		}
		kind, _ := o["kind"].(string)
		path, ok := resources[kind]
		if !ok {
			tb.Fatalf("testenv: %s has a %q: no path is known for it", manifest, kind)
		}
		inNamespace(o, namespace)
		c.Do(tb, http.MethodPost, strings.ReplaceAll(path, "%", namespace), o)
	}
}

// inNamespace replaces each namespace in an object.
func inNamespace(v any, namespace string) {
	switch v := v.(type) {
	case map[string]any:
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
