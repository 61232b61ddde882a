package testenv

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

func write(client *zk.Conn) error {
	_, err := client.Create("/k", nil, zk.FlagSequence, zk.WorldACL(zk.PermAll))
	return err
}

func TestZooKeeperMembersStopAndComeBack(t *testing.T) {
	t.Parallel()
	c := ZooKeeper(t, ZooKeeperOptions{Members: 3})
	client := c.Client(t)
	c.Members[0].Kill()
	Eventually(t, 30*time.Second, "a write with two of three members", func() error { return write(client) })
	c.Members[0].Start()
	c.WaitHealthy(t)
	c.Members[1].Freeze()
	Eventually(t, 30*time.Second, "a write with one member frozen", func() error { return write(client) })
	c.Members[1].Thaw()
	c.WaitHealthy(t)
}

func TestZooKeeperWithTLS(t *testing.T) {
	t.Parallel()
	c := ZooKeeper(t, ZooKeeperOptions{TLS: true})
	if err := write(c.Client(t)); err != nil {
		t.Error(err)
	}
}
