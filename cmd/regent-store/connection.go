package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// connection is how a command reaches a store that runs.
type connection struct {
	endpoints    []string
	certificates certificates
	user         string
	passwordFile string
	timeout      time.Duration
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&c.endpoints, "endpoints", []string{"http://127.0.0.1:2379"}, "URLs of members that serve")
	f.StringVar(&c.certificates.cert, "cert-file", "", "certificate to show to the store")
	f.StringVar(&c.certificates.key, "key-file", "", "its key")
	f.StringVar(&c.certificates.ca, "trusted-ca-file", "", "CA of the store's certificates")
	f.StringVar(&c.user, "user", "", "user of etcd's authentication, if the store has it on")
	f.StringVar(&c.passwordFile, "password-file", "", "file with that user's password")
	f.DurationVar(&c.timeout, "timeout", 20*time.Second, "how long to try")
}

// config is the client's.
func (c connection) config() (clientv3.Config, error) {
	config := clientv3.Config{Endpoints: c.endpoints, Logger: zap.NewNop(), DialTimeout: c.timeout}
	if c.certificates != (certificates{}) {
		info := transport.TLSInfo{CertFile: c.certificates.cert, KeyFile: c.certificates.key, TrustedCAFile: c.certificates.ca}
		tls, err := info.ClientConfig()
		if err != nil {
			return config, fmt.Errorf("--cert-file, --key-file, --trusted-ca-file: %w", err)
		}
		config.TLS = tls
	}
	if (c.user == "") != (c.passwordFile == "") {
		return config, fmt.Errorf("--user and --password-file belong together")
	}
	if c.user != "" {
		text, err := os.ReadFile(c.passwordFile)
		if err != nil {
			return config, fmt.Errorf("--password-file: %w", err)
		}
		config.Username, config.Password = c.user, strings.TrimRight(string(text), "\r\n")
	}
	return config, nil
}

// open returns a client that has met the store.
func (c connection) open(ctx context.Context) (*clientv3.Client, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, c.refused(ctx, err)
	}
	if _, err := client.MemberList(ctx); err != nil {
		client.Close()
		return nil, c.refused(ctx, err)
	}
	return client, nil
}

// refused says why the store can't be asked.
func (c connection) refused(ctx context.Context, err error) error {
	at := strings.Join(c.endpoints, ", ")
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("within %v no member of a store with a majority answered at %s", c.timeout, at)
	}
	return fmt.Errorf("ask the store at %s: %w", at, err)
}
