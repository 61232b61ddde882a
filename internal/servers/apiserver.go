package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Kubernetes is what the API servers of one cluster have in common. There is no
// kubelet and no controller: nothing happens to objects but what a client does.
type Kubernetes struct {
	Dir   string // for keys and certificates
	Store string // URL of its etcd
	Token string // of who may do everything
}

// CA is the file with the certificate that all servers show. The first one that
// is started makes it.
func (k Kubernetes) CA() string { return filepath.Join(k.Dir, "certs", "apiserver.crt") }

// Args writes what is missing of the servers' secrets and returns the command line
// of the one that listens on addr.
func (k Kubernetes) Args(program, addr string) ([]string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("servers: configure the API server: %w", err)
	}
	tokens, key := filepath.Join(k.Dir, "tokens.csv"), filepath.Join(k.Dir, "sa.key")
	if err := errors.Join(os.WriteFile(tokens, []byte(k.Token+",admin,1,system:masters\n"), 0o600), signingKey(key)); err != nil {
		return nil, fmt.Errorf("servers: configure the API server: %w", err)
	}
	return []string{
		program, "--etcd-servers=" + k.Store, "--bind-address=" + host, "--advertise-address=" + host, "--secure-port=" + port,
		"--cert-dir=" + filepath.Dir(k.CA()), "--service-cluster-ip-range=10.96.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--token-auth-file=" + tokens, "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false", "--shutdown-delay-duration=0s",
	}, nil
}

// signingKey makes the key for the tokens of service accounts, unless it is there.
func signingKey(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
