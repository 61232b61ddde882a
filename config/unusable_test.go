package config

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/internal/testenv"
)

// sections are how a configuration names a server of each store, over TLS or not.
// Each has a secret.
var sections = map[string]func(t *testing.T, host, ca string) string{
	"consul": func(_ *testing.T, host, ca string) string {
		if ca == "" {
			return fmt.Sprintf("consul: {url: 'http://%s', token: 0123456789abcdef}", host)
		}
		return fmt.Sprintf("consul: {url: 'https://%s', token: 0123456789abcdef, cacert: %s}", host, ca)
	},
	"etcd":  etcdSection("etcd"),
	"etcd3": etcdSection("etcd3"),
	"kubernetes": func(t *testing.T, host, ca string) string {
		server := "server: 'http://" + host + "'"
		if ca != "" {
			server = "server: 'https://" + host + "', certificate-authority: " + ca
		}
		file := filepath.Join(t.TempDir(), "kubeconfig")
		text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],\n"+
			" clusters: [{name: c, cluster: {%s}}], users: [{name: u, user: {token: 0123456789abcdef}}]}\n", server)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KUBECONFIG", file)
		return "kubernetes: {labels: {application: regent}}"
	},
	"zookeeper": func(_ *testing.T, host, ca string) string {
		if ca == "" {
			return fmt.Sprintf("zookeeper: {hosts: '%s', auth_data: {digest: 'u:0123456789abcdef'}}", host)
		}
		return fmt.Sprintf("zookeeper: {hosts: '%s', auth_data: {digest: 'u:0123456789abcdef'}, use_ssl: true, cacert: %s}", host, ca)
	},
}

func etcdSection(kind string) func(*testing.T, string, string) string {
	return func(_ *testing.T, host, ca string) string {
		if ca == "" {
			return fmt.Sprintf("%s: {host: '%s', username: u, password: 0123456789abcdef}", kind, host)
		}
		return fmt.Sprintf("%s: {host: '%s', username: u, password: 0123456789abcdef, protocol: https, cacert: %s}", kind, host, ca)
	}
}

// TestUnusableStores: whatever is wrong with the server that a configuration
// names, reading the cluster is an error of one line that says what was attempted
// and what is wrong; never a cluster without members.
func TestUnusableStores(t *testing.T) {
	now := time.Now()
	good, other, expired := newCA(t, now.Add(time.Hour)), newCA(t, now.Add(time.Hour)), newCA(t, now.Add(-time.Hour))
	page := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>"
	for fault, c := range map[string]struct {
		host string
		ca   string // empty: not over TLS
		want string // of every store
	}{
		"nobody listens":                {testenv.Addr(t), "", "connection refused"},
		"no such host":                  {"store.invalid:1", "", "no such host"},
		"a port of another protocol":    {answering(t, nil, "+OK POP3 ready\r\n"), "", ""},
		"a web server":                  {answering(t, nil, page), "", ""},
		"a web server that finds none":  {answering(t, nil, strings.Replace(page, "200 OK", "404 Not Found", 1)), "", ""},
		"a web server over TLS":         {answering(t, &good.server, page), good.file, ""},
		"connections that end":          {answering(t, nil, ""), "", ""},
		"TLS, where none is spoken":     {answering(t, nil, page), good.file, ""},
		"no TLS, where it is spoken":    {answering(t, &good.server, page), "", ""},
		"a certificate of another CA":   {answering(t, &other.server, page), good.file, "unknown authority"},
		"a certificate that has ended":  {answering(t, &expired.server, page), expired.file, "expired"},
		"a server that doesn't respond": {answering(t, nil, "wait"), "", ""},
	} {
		for kind, section := range sections {
			t.Run(kind+", "+fault, func(t *testing.T) {
				if kind != "kubernetes" { // which takes its file from the environment
					t.Parallel()
				}
				text := section(t, c.host, c.ca) + "\n"
				if kind != "etcd3" {
					text += "etcd3: null\n"
				}
				loaded, _, err := loadText(t, text)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				store, err := OpenDCS(ctx, loaded, "one", clock.System(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				snapshot, err := store.Read(ctx)
				if err == nil {
					t.Fatalf("read %+v", snapshot)
				}
				text = err.Error()
				if !strings.HasPrefix(text, "dcs/") || !strings.Contains(text, ": read") || strings.ContainsAny(text, "\r\n") || len(text) > 400 ||
					strings.Contains(text, "0123456789abcdef") || !strings.Contains(text, c.want) {
					t.Errorf("no clear line that tells %q: %q", c.want, text)
				}
				if setting := loaded.StoreSetting(err); !strings.HasPrefix(setting, kind) {
					t.Errorf("put down to %s", setting)
				}
			})
		}
	}
}

// ca is a certificate authority with a server's certificate that ends at some time.
type ca struct {
	file   string
	server tls.Certificate
}

func newCA(t *testing.T, until time.Time) ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: root.NotBefore, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	sign := func(c *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, root, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	made := ca{filepath.Join(t.TempDir(), "ca.crt"), tls.Certificate{Certificate: [][]byte{sign(leaf)}, PrivateKey: key}}
	if err := os.WriteFile(made.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(root)}), 0o600); err != nil {
		t.Fatal(err)
	}
	return made
}

// answering is a server that sends an answer to whatever it gets, over TLS if it
// has a certificate. The answer "wait" is none.
func answering(t *testing.T, certificate *tls.Certificate, answer string) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); err != nil || answer == "wait" {
					<-t.Context().Done()
					return
				}
				conn.Write([]byte(answer))
			}()
		}
	}()
	return listener.Addr().String()
}
