package testenv

import (
	"context"
	"crypto/tls"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ClientCertificate is one that the cluster's CA signed, beside the one in TLS,
// good until then. Its files are NAME.crt and NAME.key in Certificates.
func (c *EtcdCluster) ClientCertificate(tb testing.TB, name string, until time.Time) tls.Certificate {
	tb.Helper()
	return c.ca.client(tb, name, "", until)
}

// Permission is what a role may do with the keys that begin with Prefix.
type Permission struct {
	Prefix string
	Write  bool // beside reading
}

// AddUser makes a user with a role of these permissions. It needs a cluster that
// was made with EtcdOptions.Password, which is the new user's as well.
func (c *EtcdCluster) AddUser(tb testing.TB, name string, permissions ...Permission) {
	tb.Helper()
	client := c.client(tb, clientv3.Config{Endpoints: c.Endpoints(), Username: "root", Password: c.Password})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must := func(_ any, err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("testenv: add the user %s to etcd: %v", name, err)
		}
	}
	must(client.RoleAdd(ctx, name))
	for _, p := range permissions {
		may := clientv3.PermissionType(clientv3.PermRead)
		if p.Write {
			may = clientv3.PermissionType(clientv3.PermReadWrite)
		}
		must(client.RoleGrantPermission(ctx, name, p.Prefix, clientv3.GetPrefixRangeEnd(p.Prefix), may))
	}
	must(client.UserAdd(ctx, name, c.Password))
	must(client.UserGrantRole(ctx, name, name))
}

// Wipe removes the data of a server that was killed.
func (m *EtcdMember) Wipe() {
	m.tb.Helper()
	if err := os.RemoveAll(m.data); err != nil {
		m.tb.Fatalf("testenv: wipe etcd: %v", err)
	}
}
