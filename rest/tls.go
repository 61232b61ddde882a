package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// config is how the server does TLS; nil: not at all.
func (t TLS) config(log *slog.Logger) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	pair := &certificate{certFile: t.CertFile, keyFile: t.KeyFile, log: log}
	if t.PeersCAFile != "" {
		pool, err := readPool(t.PeersCAFile)
		if err != nil {
			return nil, fmt.Errorf("rest: Options.TLS.PeersCAFile: %w", err)
		}
		pair.check = func(p *tls.Certificate) error { return believed(p, pool, t.PeersCAFile) }
	}
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

// verifyAuthority checks who signed a server's certificate, the first of chain, and
// not for which name. It must be good for a server: have that extended key usage, or
// none at all.
func verifyAuthority(chain []*x509.Certificate, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("the server has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// believed is nil if those who check a server by the authorities in caFile take pair
// for good.
func believed(pair *tls.Certificate, roots *x509.CertPool, caFile string) error {
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		chain = append(chain, c)
	}
	if err := verifyAuthority(chain, roots); err != nil {
		return fmt.Errorf("the other members would not believe it by %s: %w", caFile, err)
	}
	return nil
}

// certificate is a pair of files that is read again when one has changed. While
// the new ones can't be used the last good pair stays.
type certificate struct {
	certFile, keyFile string
	check             func(*tls.Certificate) error // nil: any is good
	log               *slog.Logger                 // told of a new pair that can't be used; nil: nobody

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time
	refused [2]time.Time // the change that was said to be no good
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := [2]time.Time{modified(c.certFile), modified(c.keyFile)}
	if c.pair != nil && changed == c.changed {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil && c.check != nil {
		err = c.check(&pair)
	}
	switch {
	case err == nil:
		c.pair, c.changed = &pair, changed
	case c.pair == nil && c.certFile == c.keyFile:
		return nil, fmt.Errorf("%s: %w", c.certFile, err)
	case c.pair == nil:
		return nil, fmt.Errorf("%s with %s: %w", c.certFile, c.keyFile, err)
	case c.log != nil && changed != c.refused:
		c.log.Warn("the new certificate can't be used, the last good one stays", "file", c.certFile, "error", err)
		c.refused = changed
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
