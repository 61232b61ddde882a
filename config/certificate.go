package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
)

// CheckCertificate returns an InvalidError if the other members, which check
// restapi.certfile by the same ctl.cacert, would not believe it: they would take this
// one for silent when they need its word.
func (c *Config) CheckCertificate() error {
	r := &report{}
	c.certificateBelieved(r)
	_, err := r.result()
	return err
}

// certificateBelieved leaves files that can't be read to those who need them.
func (c *Config) certificateBelieved(r *report) {
	file, ca := c.RESTAPI.CertFile, c.Ctl.CACert
	if file == "" || ca == "" {
		return
	}
	own, err := os.ReadFile(file)
	if err != nil {
		return
	}
	authorities, err := os.ReadFile(ca)
	if err != nil {
		return
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		r.refuse("ctl.cacert", "%s holds no certificate in PEM", ca)
		return
	}
	if err := believed(own, roots); err != nil {
		r.refuse("restapi.certfile", "the other members would not believe %s by ctl.cacert, %s: %v. "+
			"Give restapi.certfile a certificate for a server (with the extended key usage serverAuth, or none) that this authority signed, and any intermediate ones behind it; "+
			"or ctl.cacert the authority that signed it. Without ctl.cacert members don't check one another's certificates", file, ca, err)
	}
}

// believed is nil if whoever trusts roots takes the first certificate of text for a
// server's, of whatever name.
func believed(text []byte, roots *x509.CertPool) error {
	var own *x509.Certificate
	between := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue // the key may be in the same file
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return err
		case own == nil:
			own = c
		default:
			between.AddCert(c)
		}
	}
	if own == nil {
		return errors.New("it holds no certificate in PEM")
	}
	_, err := own.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}
