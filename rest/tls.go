package rest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// config is how the server does TLS; nil: not at all.
func (t TLS) config() (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	pair := &certificate{certFile: t.CertFile, keyFile: t.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, fmt.Errorf("rest: Options.TLS: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	if t.CAFile != "" {
		pool, err := readPool(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("rest: Options.TLS.CAFile: %w", err)
		}
		c.ClientCAs = pool
	}
	switch t.VerifyClient {
	case verifyOptional:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case verifyRequired:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// certificate is a pair of files that is read again when one has changed. While
// the new ones can't be used the last good pair stays.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := [2]time.Time{modified(c.certFile), modified(c.keyFile)}
	if c.pair != nil && changed == c.changed {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.pair, c.changed = &pair, changed
	case c.pair == nil && c.certFile == c.keyFile:
		return nil, fmt.Errorf("%s: %w", c.certFile, err)
	case c.pair == nil:
		return nil, fmt.Errorf("%s with %s: %w", c.certFile, c.keyFile, err)
	}
	return c.pair, nil
}

func modified(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
