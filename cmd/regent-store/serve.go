package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// readyWarning is after how long it is said that the member still waits for the
// others.
const readyWarning = 10 * time.Second

// errRemoved ends a member that the others have removed. Starting it again can't
// help.
var errRemoved = errors.New("this member was removed from the store; its data directory stays as it is. To bring the machine back: regent-store member add, then init --join on another directory")

// initialize makes an empty directory a member's, and starts nothing.
func initialize(o options) error {
	if err := o.adopt(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.dataDir)
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if id, err := identify(dir); err != nil {
		return err
	} else if id != nil {
		return fmt.Errorf("--data-dir %s is the member %q's already: name an empty directory", dir, id.Name)
	}
	peer, err := parseURL("--listen-peer", o.listenPeer)
	if err != nil {
		return err
	}
	if _, err := o.members(peer); err != nil {
		return err
	}
	return prepare(dir, o.identity())
}

// serve runs a member until ctx ends. It prints one line when the member serves:
// a majority is there and knows its leader.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if err := o.adopt(); err != nil {
		return err
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	if err := o.enter(config.Dir); err != nil {
		return err
	}
	if err := waitRestored(ctx, config.Dir, stderr); err != nil || ctx.Err() != nil {
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
	return attend(ctx, e, o, stdout, stderr)
}

// enter makes the data directory's owner sure, and with --new or --join makes one.
func (o options) enter(dir string) error {
	id, err := identify(dir)
	if err != nil {
		return err
	}
	if id == nil && (o.fresh || o.join) {
		return prepare(dir, o.identity())
	}
	return claim(dir, o.identity())
}

// attend is with a server that was started until it ends or ctx does.
func attend(ctx context.Context, e *embed.Etcd, o options, stdout, stderr io.Writer) error {
	l, err := newLead(e, o.namespace, stderr)
	if err != nil {
		return err
	}
	if err := waitReady(ctx, e, stderr); err != nil || ctx.Err() != nil {
		return l.explain(err)
	}
	if err := served(e.Config().Dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "regent-store: %s serves on %s\n", o.name, e.Config().ListenClientUrls[0].String())
	var running sync.WaitGroup
	leading, stop := context.WithCancel(ctx)
	running.Go(func() { l.run(leading) })
	defer running.Wait()
	defer stop()
	select {
	case <-ctx.Done():
		return nil
	case <-e.Server.StopNotify():
		return l.explain(errStopped)
	case err := <-e.Err():
		return l.explain(fmt.Errorf("serve: %w", err))
	}
}

// errStopped ends a member whose server has stopped by itself.
var errStopped = errors.New("the server has stopped by itself: its disk has failed")

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
			return errStopped
		case err := <-e.Err():
			return fmt.Errorf("serve: %w", err)
		case <-patience.C:
			fmt.Fprintln(stderr, "regent-store: waiting for a majority of the members")
		}
	}
}

// waitRestored waits until a restored store may begin.
func waitRestored(ctx context.Context, dir string, stderr io.Writer) error {
	id, err := identify(dir)
	if err != nil || id == nil || id.NotBefore == nil {
		return err
	}
	// The clock may have been set since, the file not.
	info, err := os.Stat(filepath.Join(dir, identityFile))
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	wait := min(time.Until(*id.NotBefore), id.NotBefore.Sub(info.ModTime()))
	if wait <= 0 {
		return nil
	}
	fmt.Fprintf(stderr, "regent-store: restored: waiting %v for what the former store granted to end\n", wait.Round(time.Second))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}
