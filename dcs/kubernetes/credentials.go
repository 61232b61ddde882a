package kubernetes

import (
	"errors"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// InsidePod says whether this process runs where InCluster works.
func InsidePod() bool {
	return os.Getenv("KUBERNETES_SERVICE_HOST") != "" && os.Getenv("KUBERNETES_SERVICE_PORT") != ""
}

// InCluster is the API server of the Pod that we run in, and its service account.
// A handle reads the token anew for each request.
func InCluster() (*rest.Config, error) {
	c, err := rest.InClusterConfig()
	switch {
	case errors.Is(err, rest.ErrNotInCluster):
		return nil, errors.New("dcs/kubernetes: not in a Pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
	case err != nil:
		return nil, fmt.Errorf("dcs/kubernetes: service account: %w", err)
	case c.CAFile == "":
		// The library only logs this, and would then trust the machine's authorities.
		return nil, errors.New("dcs/kubernetes: service account: its ca.crt holds no certificate in PEM")
	}
	return c, nil
}

// FromKubeconfig is what a kubeconfig file says. Without a path it is that of
// KUBECONFIG, or ~/.kube/config; without a context the file's current one.
func FromKubeconfig(path, context string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("dcs/kubernetes: kubeconfig: %w", err)
	}
	return c, nil
}
