package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA made for one test.
type authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

func newAuthority(tb testing.TB, dir string) *authority {
	tb.Helper()
	a := &authority{dir: dir}
	a.issue(tb, "ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	return a
}

// issue signs a certificate and writes it and its key beside each other.
func (a *authority) issue(tb testing.TB, name string, c *x509.Certificate) (certFile, keyFile string) {
	tb.Helper()
	fail := func(err error) {
		if err != nil {
			tb.Fatalf("testenv: make the certificate %s: %v", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	a.serial++
	c.SerialNumber = big.NewInt(a.serial)
	c.NotBefore = time.Now().Add(-2 * time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	fail(err)
	if a.cert == nil {
		a.cert, err = x509.ParseCertificate(der)
		fail(err)
		a.key = key
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	fail(err)
	certFile, keyFile = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	fail(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	fail(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certFile, keyFile
}

// serverArgs make etcd serve TLS on 127.0.0.1 and ask clients for a certificate.
func (a *authority) serverArgs(tb testing.TB) []string {
	cert, key := a.issue(tb, "server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return []string{"--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", filepath.Join(a.dir, "ca.crt")}
}

// clientConfig trusts the CA and shows a certificate of it. For etcd it has no
// common name: its authentication would take that for a user. Java takes no
// certificate without one.
func (a *authority) clientConfig(tb testing.TB, commonName string) *tls.Config {
	tb.Helper()
	pair := a.client(tb, "client", commonName, time.Time{})
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// client issues a certificate for a client, good until then; the zero time: for
// the test.
func (a *authority) client(tb testing.TB, name, commonName string, until time.Time) tls.Certificate {
	tb.Helper()
	cert, key := a.issue(tb, name, &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		tb.Fatalf("testenv: load the certificate %s: %v", name, err)
	}
	return pair
}
