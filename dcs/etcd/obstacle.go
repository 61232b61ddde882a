package etcd

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// obstacleKey is the place in a context for what kept its request from an answer.
// The library's error says only that the time is up.
type obstacleKey struct{}

// obstacles notes them.
type obstacles struct{ tls bool }

// unary is a grpc.UnaryClientInterceptor.
func (o obstacles) unary(ctx context.Context, method string, ask, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, ask, answer, conn, opts...)
	o.note(ctx, err)
	return err
}

// stream is a grpc.StreamClientInterceptor.
func (o obstacles) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, conn, method, opts...)
	o.note(ctx, err)
	return s, err
}

func (o obstacles) note(ctx context.Context, err error) {
	place, wanted := ctx.Value(obstacleKey{}).(*string)
	if why, known := noConnection(err); known && wanted {
		*place = o.inWords(why)
	}
}

// noConnection is what gRPC says when the time ended before there was one.
func noConnection(err error) (why string, ok bool) {
	_, why, ok = strings.Cut(status.Convert(err).Message(), "latest balancer error: ")
	return why, ok
}

// inWords says why there is no connection, given what gRPC says. Names and ports
// are left out: they are ours, or other ones each time.
func (o obstacles) inWords(why string) string {
	if _, quoted, ok := strings.Cut(why, `desc = "`); ok {
		why = strings.TrimSuffix(quoted, `"`)
	}
	last := strings.Trim(why[strings.LastIndex(why, ": ")+1:], " ")
	if _, reason, ok := strings.Cut(why, "tls: failed to verify certificate: "); ok {
		return "the server's certificate isn't accepted: " + strings.TrimPrefix(reason, "x509: ")
	}
	if _, reason, ok := strings.Cut(why, "remote error: tls: "); ok {
		return "the server ended TLS: " + reason
	}
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(why, w) })
	}
	begun := says("error reading server preface", "failed to write client preface", "write tcp", "read tcp")
	switch {
	case says("deadline exceeded", "i/o timeout", "timed out", "use of closed network connection"): // the last one by us
		return "the server is silent"
	case says("authentication handshake failed"):
		return "no TLS is spoken there (is it http, or another port?): " + last
	case begun && o.tls:
		return "the server ended the connection once TLS stood (does it refuse our certificate, or want one?): " + last
	case begun:
		return "no etcd answers there without TLS (is it https, or another port?): " + last
	}
	return last
}

// plain is an error of the server without gRPC's words around it.
type plain struct{ error }

func (p plain) Error() string {
	const prefix = "rpc error: code = "
	text := p.error.Error()
	for {
		before, after, found := strings.Cut(text, prefix)
		if _, message, ok := strings.Cut(after, " desc = "); found && ok {
			text = before + message
			continue
		}
		text, _, _ = strings.Cut(text, "\n") // after it comes what a web server said
		return text
	}
}

func (p plain) Unwrap() error { return p.error }
