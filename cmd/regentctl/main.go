// Command regentctl shows a cluster and asks its members for changes; see
// package ctl.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/regent-ha/regent/ctl"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := ctl.Run(ctx, ctl.Options{Release: version}, os.Args[1:])
	stop()
	os.Exit(code)
}
