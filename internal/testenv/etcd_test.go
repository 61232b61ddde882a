package testenv

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func put(client *clientv3.Client, key string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := client.Put(ctx, key, "value")
	return err
}

func TestEtcdMembersStopAndComeBack(t *testing.T) {
	t.Parallel()
	c := Etcd(t, EtcdOptions{Members: 3})
	client := c.Client(t)
	c.Members[0].Kill()
	Eventually(t, 20*time.Second, "a write with two of three members", func() error { return put(client, "/k", time.Second) })
	c.Members[1].Freeze()
	if err := put(client, "/k", 300*time.Millisecond); err == nil {
		t.Error("written without a majority")
	}
	c.Members[0].Start()
	Eventually(t, 20*time.Second, "a write with the killed member back", func() error { return put(client, "/k", time.Second) })
	c.Members[1].Thaw()
	c.WaitHealthy(t)
}

func TestEtcdWithTLSAndPassword(t *testing.T) {
	t.Parallel()
	c := Etcd(t, EtcdOptions{TLS: true, Password: "secret"})
	if err := put(c.Client(t), "/service/demo/k", 10*time.Second); err != nil {
		t.Error(err)
	}
	if err := put(c.Client(t), "/elsewhere", 10*time.Second); err == nil {
		t.Error("the user may write outside of /service/")
	}
}

func TestChildEndsWithTheTest(t *testing.T) {
	var pid int
	t.Run("", func(t *testing.T) {
		pid = Etcd(t, EtcdOptions{}).Members[0].child.cmd.Process.Pid
	})
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}
