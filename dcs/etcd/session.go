package etcd

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/internal/turn"
)

// session adds the token that a user name and a password give to every request.
// The library's own logs in for each stream, and a refused token can send it into
// a recursion that ends with the context only: it sends that token along when it
// logs in.
type session struct {
	username, password string
	loggingIn          turn.Lock

	mu      sync.Mutex
	token   string // empty: not logged in, or the server wants nobody to
	started bool   // logged in once
}

// GetRequestMetadata implements grpc's credentials.PerRPCCredentials.
func (s *session) GetRequestMetadata(_ context.Context, uris ...string) (map[string]string, error) {
	token := s.current()
	if token == "" || len(uris) > 0 && strings.HasSuffix(uris[0], "/etcdserverpb.Auth") {
		return nil, nil
	}
	return map[string]string{rpctypes.TokenFieldNameGRPC: token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. Whether TLS
// is used is up to the options.
func (s *session) RequireTransportSecurity() bool { return false }

func (s *session) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// do makes a request, and makes it again after logging in if the server refused
// the token, which it does before it carries anything out.
func (s *session) do(ctx context.Context, client *clientv3.Client, request func() error) error {
	if s.username == "" {
		return request()
	}
	// Not only when asked to: without a token a client certificate would name
	// the user.
	if err := s.start(ctx, client); err != nil {
		return err
	}
	token := s.current()
	err := request()
	if !isTokenRefused(err) {
		return err
	}
	if err := s.login(ctx, client, token); err != nil {
		return err
	}
	return request()
}

func (s *session) start(ctx context.Context, client *clientv3.Client) error {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if started {
		return nil
	}
	return s.login(ctx, client, "")
}

// login gets another token than the refused one.
func (s *session) login(ctx context.Context, client *clientv3.Client, refused string) error {
	if err := s.loggingIn.Take(ctx); err != nil {
		return err
	}
	defer s.loggingIn.Give()
	if s.current() != refused {
		return nil // another call did it
	}
	answer, err := client.Authenticate(ctx, s.username, s.password)
	if err != nil && !errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	if err == nil {
		s.token = answer.Token
	}
	return nil
}

// IsLoginRefused says whether err is the server's answer to a user name and a
// password that it doesn't accept, or to none where it wants them.
func IsLoginRefused(err error) bool {
	err = rpctypes.Error(err)
	return errors.Is(err, rpctypes.ErrAuthFailed) || errors.Is(err, rpctypes.ErrUserEmpty) || errors.Is(err, rpctypes.ErrPermissionDenied)
}

// isTokenRefused says that the request needs another token; its absence is
// called an empty user name.
func isTokenRefused(err error) bool {
	err = rpctypes.Error(err)
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) || errors.Is(err, rpctypes.ErrUserEmpty)
}
