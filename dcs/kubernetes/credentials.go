package kubernetes

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Where a Pod finds the API server and its service account (Kubernetes
// documentation, "Accessing the Kubernetes API from a Pod").
const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	hostVar        = "KUBERNETES_SERVICE_HOST"
	portVar        = "KUBERNETES_SERVICE_PORT"
)

// InsidePod says whether this process runs where InCluster works.
func InsidePod() bool { return os.Getenv(hostVar) != "" && os.Getenv(portVar) != "" }

// InCluster is the API server of the Pod that we run in, and its service account.
// A handle reads the token anew for each request.
func InCluster() (*rest.Config, error) {
	if !InsidePod() {
		return nil, fmt.Errorf("dcs/kubernetes: not in a Pod: %s and %s are not set", hostVar, portVar)
	}
	return inCluster(serviceAccount, net.JoinHostPort(os.Getenv(hostVar), os.Getenv(portVar)))
}

// inCluster is a server and the service account in a folder. client-go's own trusts
// the machine's authorities where it finds none there.
func inCluster(folder, server string) (*rest.Config, error) {
	c := &rest.Config{Host: "https://" + server, BearerTokenFile: filepath.Join(folder, "token")}
	c.CAFile = filepath.Join(folder, "ca.crt")
	text, err := os.ReadFile(c.CAFile)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
	}
	if err == nil {
		_, err = os.Stat(c.BearerTokenFile)
	}
	if err != nil {
		return nil, fmt.Errorf("dcs/kubernetes: service account: %w", err)
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
