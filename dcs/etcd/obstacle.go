package etcd

import (
	"context"
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
	if _, why, known := strings.Cut(status.Convert(err).Message(), "latest balancer error: "); known && wanted {
		*place = o.inWords(why)
	}
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
	switch {
	case strings.Contains(why, "authentication handshake failed"):
		return "no TLS is spoken there (is it http, or another port?): " + last
	case strings.Contains(why, "error reading server preface") && o.tls:
		return "the server ended the connection once TLS stood (does it refuse our certificate, or want one?): " + last
	case strings.Contains(why, "error reading server preface"):
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
		return text
	}
}

func (p plain) Unwrap() error { return p.error }
