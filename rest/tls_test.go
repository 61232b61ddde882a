package rest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issuer signs certificates for a test; its own is in ca.pem.
type issuer struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{dir: t.TempDir()}
	i.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return i
}

func (i *issuer) file(name string) string { return filepath.Join(i.dir, name+".pem") }

// issue writes certificate and key into one file, as it may be configured.
func (i *issuer) issue(t *testing.T, name string, c *x509.Certificate) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.Subject = pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if i.cert == nil {
		i.cert, i.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, &key.PublicKey, i.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&out, &pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	if err := os.WriteFile(i.file(name), out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if name == "ca" {
		if i.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	return i.file(name)
}

func (i *issuer) server(t *testing.T, name, host string) string {
	c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	return i.issue(t, name, c)
}

func (i *issuer) client(t *testing.T, name string) string {
	return i.issue(t, name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// between is an authority that i signed.
func (i *issuer) between(t *testing.T, name string) *issuer {
	c := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	pair, err := tls.LoadX509KeyPair(i.issue(t, name, c), i.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{dir: i.dir, cert: pair.Leaf, key: pair.PrivateKey.(*ecdsa.PrivateKey)}
}

// joined appends the certificate in another file to file.
func joined(t *testing.T, file, more string) string {
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(more)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(first, second...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTLS(t *testing.T) {
	ours, others := newIssuer(t), newIssuer(t)
	cert, mine, foreign := ours.server(t, "server", "127.0.0.1"), ours.client(t, "client"), others.client(t, "client")
	elsewhere := ours.server(t, "elsewhere", "elsewhere.example")
	between := ours.between(t, "between")
	unchained := between.server(t, "unchained", "127.0.0.1")
	chained := joined(t, between.server(t, "chained", "127.0.0.1"), ours.file("between"))
	for name, c := range map[string]struct {
		cert, verify string
		client       ClientOptions
		get, post    int // 0: no answer at all
	}{
		"believed":                         {cert, "", ClientOptions{CAFile: ours.file("ca")}, 200, 202},
		"not believed":                     {cert, "", ClientOptions{CAFile: others.file("ca")}, 0, 0},
		"by the system alone":              {cert, "", ClientOptions{}, 0, 0},
		"unchecked":                        {cert, "", ClientOptions{Insecure: true}, 200, 202},
		"another host":                     {elsewhere, "", ClientOptions{CAFile: ours.file("ca")}, 0, 0},
		"another host, unchecked":          {elsewhere, "", ClientOptions{Insecure: true}, 200, 202},
		"optional, none":                   {cert, "optional", ClientOptions{Insecure: true}, 200, 403},
		"optional, given":                  {cert, "optional", ClientOptions{Insecure: true, CertFile: mine}, 200, 202},
		"optional, foreign":                {cert, "optional", ClientOptions{Insecure: true, CertFile: foreign}, 0, 0},
		"required, none":                   {cert, "required", ClientOptions{Insecure: true}, 0, 0},
		"required, given":                  {cert, "required", ClientOptions{CAFile: ours.file("ca"), CertFile: mine, KeyFile: mine}, 200, 202},
		"required, foreign":                {cert, "required", ClientOptions{Insecure: true, CertFile: foreign}, 0, 0},
		"with a cert, host name unchecked": {elsewhere, "", ClientOptions{Insecure: true, CAFile: ours.file("ca"), CertFile: mine}, 200, 202},
		"with a cert, authority checked":   {cert, "", ClientOptions{Insecure: true, CAFile: others.file("ca"), CertFile: mine}, 0, 0},
		"host name unchecked":              {elsewhere, "", ClientOptions{Insecure: true, CAFile: ours.file("ca")}, 200, 202},
		"authority checked":                {cert, "", ClientOptions{Insecure: true, CAFile: others.file("ca")}, 0, 0},
		"no certificate for a server":      {mine, "", ClientOptions{Insecure: true, CAFile: ours.file("ca")}, 0, 0},
		"by an intermediate authority":     {chained, "", ClientOptions{Insecure: true, CAFile: ours.file("ca")}, 200, 202},
		"without the intermediate one":     {unchained, "", ClientOptions{Insecure: true, CAFile: ours.file("ca")}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := TLS{CertFile: c.cert, VerifyClient: c.verify}
			if c.verify != "" {
				o.CAFile = ours.file("ca")
			}
			n := newNode(t, func(options *Options) { options.TLS = o })
			client := newClient(t, c.client)
			for method, want := range map[string]int{"GET": c.get, "POST": c.post} {
				path := map[string]string{"GET": "/patroni", "POST": "/reload"}[method]
				got, err := client.Send(within(t, 5*time.Second), method, n.url, path, nil)
				if got.Status != want {
					t.Errorf("%s: %d %s (%v), want %d", method, got.Status, got.Body, err, want)
				}
			}
		})
	}
}

// A certificate that the other members would not believe is an error at start, and
// isn't used when it comes later.
func TestCertificateOfAnotherAuthority(t *testing.T) {
	ours, others := newIssuer(t), newIssuer(t)
	cert, foreign, client := ours.server(t, "server", "127.0.0.1"), others.server(t, "foreign", "127.0.0.1"), ours.client(t, "client")
	for file, want := range map[string]string{foreign: "unknown authority", client: "incompatible key usage"} {
		n := newNode(t)
		_, err := New(Options{Agent: n.agent, Peers: newClient(t, ClientOptions{}), Name: "a", Listen: "127.0.0.1:0", TLS: TLS{CertFile: file, PeersCAFile: ours.file("ca")}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), ours.file("ca")) {
			t.Errorf("%s: %v", file, err)
		}
	}
	var log bytes.Buffer
	n := newNode(t, func(o *Options) {
		o.TLS = TLS{CertFile: cert, PeersCAFile: ours.file("ca")}
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	text, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, text, 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second) // file systems have coarse clocks
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	peer := newClient(t, ClientOptions{Insecure: true, CAFile: ours.file("ca")})
	for range 2 {
		if got, err := peer.Send(within(t, 5*time.Second), "GET", n.url, "/patroni", nil); err != nil || got.Status != 200 {
			t.Errorf("%d, %v", got.Status, err)
		}
	}
	if got := strings.Count(log.String(), "the last good one stays"); got != 1 {
		t.Errorf("it was said %d times: %s", got, log.String())
	}
}

// A renewed certificate is used at once, a broken one never.
func TestCertificateIsReadAgain(t *testing.T) {
	i := newIssuer(t)
	cert := i.server(t, "server", "elsewhere.example")
	n := newNode(t, func(o *Options) { o.TLS = TLS{CertFile: cert}; o.TLSHeaders = map[string]string{"X-TLS": "yes"} })
	client := newClient(t, ClientOptions{CAFile: i.file("ca")})
	ask := func() error {
		got, err := client.Send(within(t, 5*time.Second), "GET", n.url, "/patroni", nil)
		if err == nil && got.Header.Get("X-TLS") != "yes" {
			t.Errorf("%v", got.Header)
		}
		return err
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "cannot validate certificate for 127.0.0.1") {
		t.Fatalf("%v", err)
	}
	i.server(t, "server", "127.0.0.1")
	later := time.Now().Add(time.Second) // file systems have coarse clocks
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("half a certi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
}
