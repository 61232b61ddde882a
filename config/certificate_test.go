package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signed is a certificate with its key.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	text string // PEM
}

// sign issues one; a zero signer: it signs itself.
func sign(t *testing.T, by signed, change func(c *x509.Certificate)) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour)}
	change(c)
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed{c, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func usable(usages ...x509.ExtKeyUsage) func(c *x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

// The own certificate must be one that the other members believe by their ctl.cacert.
func TestCheckCertificate(t *testing.T) {
	root, other := sign(t, signed{}, authority), sign(t, signed{}, authority)
	between := sign(t, root, authority)
	const key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	for name, c := range map[string]struct {
		cert, ca string
		want     string // part of the problem; empty: none
	}{
		"signed by it":                {sign(t, root, usable(x509.ExtKeyUsageServerAuth)).text, root.text, ""},
		"behind its key":              {key + sign(t, root, usable()).text, root.text, ""},
		"by one of two":               {sign(t, root, usable()).text, other.text + root.text, ""},
		"by another":                  {sign(t, other, usable()).text, root.text, "unknown authority"},
		"by itself":                   {sign(t, signed{}, usable()).text, root.text, "unknown authority"},
		"by an intermediate one":      {sign(t, between, usable()).text + between.text, root.text, ""},
		"by one that isn't given":     {sign(t, between, usable()).text, root.text, "unknown authority"},
		"for clients alone":           {sign(t, root, usable(x509.ExtKeyUsageClientAuth)).text, root.text, "incompatible key usage"},
		"for both":                    {sign(t, root, usable(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)).text, root.text, ""},
		"expired":                     {sign(t, root, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }).text, root.text, "has expired"},
		"no certificate":              {key, root.text, "holds no certificate"},
		"no certificate of authority": {sign(t, root, usable()).text, key, "ctl.cacert: "},
	} {
		dir := t.TempDir()
		cert, ca := filepath.Join(dir, "own.pem"), filepath.Join(dir, "ca.pem")
		write(t, cert, c.cert)
		write(t, ca, c.ca)
		config := &Config{RESTAPI: RESTAPI{CertFile: cert}, Ctl: Ctl{CACert: ca}}
		err := config.CheckCertificate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want == "" {
			continue
		}
		if !strings.Contains(err.Error(), ca) || strings.HasPrefix(err.Error(), "restapi.certfile: ") && !strings.Contains(err.Error(), cert) {
			t.Errorf("%s: it doesn't say which files: %v", name, err)
		}
		config.Ctl.CACert = ""
		if err := config.CheckCertificate(); err != nil {
			t.Errorf("%s, without ctl.cacert: %v", name, err)
		}
	}
}

func TestValidateCertificate(t *testing.T) {
	root, other := sign(t, signed{}, authority), sign(t, signed{}, authority)
	dir := t.TempDir()
	cert, ca := filepath.Join(dir, "own.pem"), filepath.Join(dir, "ca.pem")
	write(t, cert, sign(t, other, usable()).text)
	write(t, ca, root.text)
	file := filepath.Join(dir, "patroni.yml")
	write(t, file, fmt.Sprintf(`
scope: demo
name: one
restapi: {listen: "127.0.0.1:8008", connect_address: "10.0.0.1:8008", certfile: %s}
ctl: {cacert: %s}
etcd3: {host: "127.0.0.1:1"}
postgresql: {listen: "127.0.0.1:5432", connect_address: "10.0.0.1:5432", data_dir: %s, authentication: {replication: {username: replicator}}}
`, cert, ca, filepath.Join(dir, "data")))
	if got := problemsOf(t, file, true); !strings.Contains(got, "restapi.certfile: the other members would not believe "+cert+" by ctl.cacert, "+ca) {
		t.Error(got)
	}
}
