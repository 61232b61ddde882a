package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// readyWarning is after how long it is said that the member still waits for the
// others.
const readyWarning = 10 * time.Second

// serve runs a member until ctx ends. It prints one line when the member serves:
// a majority is there and knows its leader.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) error {
	config, err := o.config()
	if err != nil {
		return err
	}
	if err := claim(config.Dir, identity{Name: o.name, Token: o.token}); err != nil {
		return err
	}
	for _, u := range config.ListenClientUrls {
		if u.Scheme == "http" && !net.ParseIP(u.Hostname()).IsLoopback() && u.Hostname() != "localhost" {
			fmt.Fprintf(stderr, "regent-store: warning: %s is open to whoever reaches it: --cert-file, --key-file and --trusted-ca-file close it\n", u.String())
		}
	}
	log, silence, err := logger(o.logLevel, stderr)
	if err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	e, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer e.Close()
	defer silence()
	if err := waitReady(ctx, e, stderr); err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(stdout, "regent-store: %s serves on %s\n", o.name, config.ListenClientUrls[0].String())
	select {
	case <-ctx.Done():
		return nil
	case <-e.Server.StopNotify():
		return errors.New("the server has stopped by itself: it was removed from the cluster, or its disk failed")
	case err := <-e.Err():
		return fmt.Errorf("serve: %w", err)
	}
}

func waitReady(ctx context.Context, e *embed.Etcd, stderr io.Writer) error {
	patience := time.NewTimer(readyWarning)
	defer patience.Stop()
	for {
		select {
		case <-e.Server.ReadyNotify():
			return nil
		case <-ctx.Done():
			return nil
		case <-e.Server.StopNotify():
			return errors.New("the server stopped before it was ready")
		case err := <-e.Err():
			return fmt.Errorf("serve: %w", err)
		case <-patience.C:
			fmt.Fprintln(stderr, "regent-store: waiting for a majority of the members of --initial-cluster")
		}
	}
}
