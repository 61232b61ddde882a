package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/regent-ha/regent/dcs"
)

// ReadWithToken reads with a token, and without a name to log in again with.
func ReadWithToken(ctx context.Context, endpoints []string, token string) error {
	o, err := Options{Endpoints: endpoints, Path: dcs.Path{Scope: "demo"}, TTL: time.Minute}.withDefaults()
	if err != nil {
		return err
	}
	client, err := dial(o, &session{token: token})
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Get(ctx, o.Path.Prefix(), clientv3.WithPrefix())
	return err
}
