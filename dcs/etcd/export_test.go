package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// Login gets a token. The library's own client may send one along that has ended,
// and try until the context does.
func Login(ctx context.Context, endpoints []string, username, password string) (token string, err error) {
	err = withToken(endpoints, "", func(client *clientv3.Client) error {
		answer, err := client.Authenticate(ctx, username, password)
		if err == nil {
			token = answer.Token
		}
		return err
	})
	return token, err
}

// ReadWithToken reads with a token, and without a name to log in again with.
func ReadWithToken(ctx context.Context, endpoints []string, token string) error {
	return withToken(endpoints, token, func(client *clientv3.Client) error {
		_, err := client.Get(ctx, "/service/demo/", clientv3.WithPrefix())
		return err
	})
}

func withToken(endpoints []string, token string, do func(*clientv3.Client) error) error {
	o, err := Options{Endpoints: endpoints, Path: dcs.Path{Scope: "demo"}, TTL: time.Minute}.withDefaults()
	if err != nil {
		return err
	}
	client, err := dial(o, &session{token: token})
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}
