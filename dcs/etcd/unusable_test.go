package etcd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

// Whatever is wrong with a server, or with how we come to it, is one line that
// says what, and no decision of the store.
func TestUnusableServers(t *testing.T) {
	t.Parallel()
	open := testenv.Etcd(t, testenv.EtcdOptions{})
	closed := testenv.Etcd(t, testenv.EtcdOptions{TLS: true, Password: "secret"})
	stranger := testenv.Etcd(t, testenv.EtcdOptions{TLS: true})
	showing := func(c ...tls.Certificate) *tls.Config {
		config := closed.TLS.Clone()
		config.Certificates = c
		return config
	}
	anyone := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	expired := closed.ClientCertificate(t, "expired", time.Now().Add(-time.Hour))
	fits := closed.TLS.Certificates[0]
	unfit := tls.Certificate{Certificate: expired.Certificate, PrivateKey: fits.PrivateKey}

	for name, c := range map[string]struct {
		o    etcd.Options
		want string
	}{
		"nobody listens": {etcd.Options{Endpoints: []string{testenv.Addr(t)}}, "connection refused: context deadline exceeded"},
		"no such host":   {etcd.Options{Endpoints: []string{"store.invalid:2379"}}, "no such host: "},
		"https, the server http": {etcd.Options{Endpoints: []string{"https://" + open.Members[0].Addr}, TLS: anyone},
			"no TLS is spoken there (is it http, or another port?): "},
		"http, the server https": {etcd.Options{Endpoints: []string{"http://" + closed.Members[0].Addr}},
			"no etcd answers there without TLS (is it https, or another port?): "},
		"a port of another protocol": {etcd.Options{Endpoints: []string{talker(t, "+OK POP3 ready\r\n")}},
			"no etcd answers there without TLS (is it https, or another port?): frame too large"},
		"a port of HTTP": {etcd.Options{Endpoints: []string{talker(t, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")}},
			"no etcd answers there without TLS (is it https, or another port?): "},
		"a port that ends connections": {etcd.Options{Endpoints: []string{talker(t, "")}},
			"no etcd answers there without TLS (is it https, or another port?): EOF"},
		"a server that stands still": {etcd.Options{Endpoints: []string{mute(t)}}, "the server is silent: |etcd: renew the leader key: context deadline|/: context deadline"},
		"another gRPC server":        {etcd.Options{Endpoints: []string{stranded(t)}}, "unknown service etcdserverpb."},
		"an HTTP/2 server":           {etcd.Options{Endpoints: []string{page(t, http.StatusOK)}}, `200 (OK); transport: received unexpected content-type "text/html; charset=utf-8"`},
		"a proxy that finds nothing": {etcd.Options{Endpoints: []string{page(t, http.StatusNotFound)}}, "404 (Not Found)"},
		"garbage for answers":        {etcd.Options{Endpoints: []string{garbling(t)}}, "failed to unmarshal"},

		"a CA that isn't the server's": {etcd.Options{TLS: anyone}, "the server's certificate isn't accepted: certificate signed by unknown authority: "},
		"the server's certificate has expired": {etcd.Options{Endpoints: []string{serving(t, expired)}, TLS: closed.TLS},
			"the server's certificate isn't accepted: certificate has expired or is not yet valid: "},
		"no certificate":              {etcd.Options{TLS: showing()}, refusedCertificate},
		"our certificate expired":     {etcd.Options{TLS: showing(expired)}, refusedCertificate},
		"a certificate of another CA": {etcd.Options{TLS: showing(stranger.TLS.Certificates[0])}, refusedCertificate},
		"a key that doesn't fit":      {etcd.Options{TLS: showing(unfit)}, refusedCertificate},

		"a wrong password": {etcd.Options{TLS: closed.TLS, Username: "regent", Password: "hunter2"}, "authentication failed, invalid user ID or password"},
		"an unknown user":  {etcd.Options{TLS: closed.TLS, Username: "nobody", Password: "hunter2"}, "authentication failed, invalid user ID or password"},
		"no permission": {etcd.Options{TLS: closed.TLS, Username: closed.Username, Password: closed.Password, Path: dcs.Path{Namespace: "elsewhere"}},
			"etcdserver: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.o
			o.Name, o.Path.Scope = "a", "demo"
			if o.Endpoints == nil {
				o.Endpoints = closed.Endpoints()
			}
			d, err := etcd.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			for verb, ask := range map[string]func(context.Context) error{
				"read":  func(ctx context.Context) error { _, err := d.Read(ctx); return err },
				"renew": func(ctx context.Context) error { _, err := d.UpdateLeader(ctx, dcs.Lease{ID: "abc"}); return err },
			} {
				err := ask(storetest.Within(t, 2*time.Second))
				switch {
				case err == nil || errors.Is(err, dcs.ErrLost):
					t.Fatalf("%s: got %v", verb, err)
				case !oneOf(err.Error(), c.want):
					t.Errorf("%s: got  %v\nwant %s", verb, err, c.want)
				case !strings.HasPrefix(err.Error(), "dcs/etcd: "+verb+" "), strings.ContainsAny(err.Error(), "\n\r"),
					strings.Contains(err.Error(), "rpc error"), strings.Contains(err.Error(), "hunter2"), len(err.Error()) > 300:
					t.Errorf("%s: no clear line: %q", verb, err)
				}
			}
		})
	}
}

// refusedCertificate is how servers refuse certificates: one that does so at once
// may have ended the connection before the reason could be read.
const refusedCertificate = "the server ended TLS: |the server ended the connection once TLS stood (does it refuse our certificate, or want one?): "

func oneOf(text, wants string) bool {
	for want := range strings.SplitSeq(wants, "|") {
		if strings.Contains(text, want) {
			return true
		}
	}
	return false
}

// accepting hands each connection to serve, and returns where.
func accepting(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

// talker says a line and ends the connection once it was told something.
func talker(t *testing.T, line string) string {
	return accepting(t, func(conn net.Conn) {
		io.WriteString(conn, line)
		bufio.NewReader(conn).ReadByte()
	})
}

// mute takes connections and says nothing.
func mute(t *testing.T) string {
	return accepting(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
}

// serving shows a certificate.
func serving(t *testing.T, c tls.Certificate) string {
	return accepting(t, func(conn net.Conn) { tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c}}).Handshake() })
}

// page is an HTTP/2 server with a page for everybody.
func page(t *testing.T, status int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, "<h1>Hello</h1>")
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
	return listener.Addr().String()
}

// stranded is a gRPC server that offers nothing.
func stranded(t *testing.T) string { return answering(t) }

// garbling is a gRPC server whose answers are no messages.
func garbling(t *testing.T) string {
	return answering(t, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var ask []byte
		stream.RecvMsg(&ask)
		return stream.SendMsg(bytes.Repeat([]byte{0xff}, 64))
	}), grpc.ForceServerCodec(raw{}))
}

func answering(t *testing.T, o ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(o...), make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}

// raw is a codec of bytes.
type raw struct{}

func (raw) Name() string                       { return "proto" }
func (raw) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
