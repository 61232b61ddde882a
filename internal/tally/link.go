package tally

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"sync"
	"time"
)

// Link passes connections on to a server and counts requests.
type Link struct {
	Addr string // where it listens

	target   string
	dial     func() (net.Conn, error)
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int
	unread error // why some of what passed wasn't counted
	conns  map[net.Conn]bool
	ended  bool
}

// Listen makes a link from a free loopback port to target, a host:port.
func Listen(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tally: listen for the link to %s: %w", target, err)
	}
	return serving(listener, target, func() (net.Conn, error) { return net.Dial("tcp", target) }), nil
}

// ListenTLS is Listen for a server of TLS, whose certificate the CA in a file has
// signed, which needn't be there yet. The link has a certificate of its own, which
// is returned in PEM.
func ListenTLS(target, caFile string) (l *Link, certificate []byte, err error) {
	own, err := newCertificate()
	var listener net.Listener
	if err == nil {
		listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("tally: listen for the link to %s: %w", target, err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	return serving(listener, target, func() (net.Conn, error) {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		return tls.Dial("tcp", target, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	}), certificate, nil
}

// newCertificate is one that a server on the loopback interface shows, and its own
// authority.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tally"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func serving(listener net.Listener, target string, dial func() (net.Conn, error)) *Link {
	l := &Link{Addr: listener.Addr().String(), target: target, dial: dial, listener: listener, counts: map[string]int{}, conns: map[net.Conn]bool{}}
	l.running.Go(l.accept)
	return l
}

// Counts are the requests so far by what they ask for. The error is why there may
// have been others.
func (l *Link) Counts() (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts), l.unread
}

// Close ends the link and everything on it.
func (l *Link) Close() {
	l.listener.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.serve(client) })
	}
}

func (l *Link) serve(client net.Conn) {
	defer client.Close()
	server, err := l.dial()
	if err != nil {
		return
	}
	defer server.Close()
	if !l.keep(client, server) {
		return
	}
	defer l.drop(client, server)
	copied, copying := io.Pipe()
	l.running.Go(func() { l.read(copied) })
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(io.MultiWriter(server, copying), client)
		copying.Close()
		server.Close()
	})
	both.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	both.Wait()
}

func (l *Link) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	return !l.ended
}

func (l *Link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		delete(l.conns, c)
	}
}

// read counts what a client says, and goes on taking it if it can't be read.
func (l *Link) read(said io.Reader) {
	err := l.decode(bufio.NewReader(said))
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // a connection may end anywhere
		l.mu.Lock()
		l.unread = fmt.Errorf("tally: a connection to %s: %w", l.target, err)
		l.mu.Unlock()
	}
	io.Copy(io.Discard, said)
}

// decode counts until the connection can't be read on, and returns why.
func (l *Link) decode(said *bufio.Reader) error {
	begin, err := said.Peek(4)
	switch {
	case err != nil:
		return err
	case bytes.Equal(begin, []byte("PRI ")):
		return readHTTP2(said, l.count)
	case begin[0] >= 'A' && begin[0] <= 'Z':
		return readHTTP1(said, l.count)
	case begin[0] == 0: // of a length
		return readZooKeeper(said, l.count)
	}
	return fmt.Errorf("it begins with %q, which is nothing known", begin)
}

func (l *Link) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}
