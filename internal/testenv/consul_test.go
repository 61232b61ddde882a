package testenv

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func putConsul(client *api.Client, key string) error {
	_, err := client.KV().Put(&api.KVPair{Key: key, Value: []byte("value")}, nil)
	return err
}

func TestConsulServersStopAndComeBack(t *testing.T) {
	t.Parallel()
	c := Consul(t, ConsulOptions{Servers: 3, Agent: true})
	client := c.Client(t, c.Agent)
	leader := c.Leader(t, c.Servers[0])
	leader.Kill()
	Eventually(t, 20*time.Second, "a write without the leader of before", func() error { return putConsul(client, "k") })
	leader.Start()
	c.WaitHealthy(t)
	leader.Freeze()
	Eventually(t, 20*time.Second, "a write with one of three frozen", func() error { return putConsul(client, "k") })
	leader.Thaw()
	c.WaitHealthy(t)
}

func TestConsulWithTLSAndACL(t *testing.T) {
	t.Parallel()
	c := Consul(t, ConsulOptions{TLS: true, ACL: true})
	if err := putConsul(c.Client(t, c.Servers[0]), "k"); err != nil {
		t.Error(err)
	}
	c.Token = ""
	if err := putConsul(c.Client(t, c.Servers[0]), "k"); err == nil {
		t.Error("written without a token")
	}
}
