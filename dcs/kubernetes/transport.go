package kubernetes

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// connect makes the HTTP client. It speaks HTTP/1.1: there a request that isn't
// answered gives up its connection and no other request waits behind it, while one
// connection of HTTP/2 would carry all of them, for as long as it takes to notice
// that nothing gets through.
func (d *DCS) connect(s *servers) error {
	c := rest.CopyConfig(d.options.Server)
	c.NextProtos = []string{"http/1.1"}
	token := c.BearerTokenFile
	if token != "" {
		c.BearerToken, c.BearerTokenFile = "", ""
	}
	base, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return fmt.Errorf("API server %q: %w", c.Host, err)
	}
	t, err := c.TransportConfig()
	if err != nil {
		return err
	}
	secure, err := transport.TLSConfigFor(t)
	if err != nil {
		return err
	}
	dial := s.dialer((&net.Dialer{
		Timeout:         d.options.AttemptTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
	}).DialContext, hostPort(base))
	if t.DialHolder != nil {
		dial = t.DialHolder.Dial
	}
	proxy := t.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	plain := &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: d.options.AttemptTimeout,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}
	var inner http.RoundTripper = plain
	if token != "" {
		inner = tokenFile{token, plain}
	}
	wrapped, err := transport.HTTPWrappersForConfig(t, inner)
	if err != nil {
		return err
	}
	d.base, d.http, d.idle = strings.TrimSuffix(base.String(), "/"), &http.Client{Transport: wrapped}, plain.CloseIdleConnections
	return nil
}

// hostPort is what the transport dials for a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)
