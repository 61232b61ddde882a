package main

import (
	"log/slog"
	"os"

	"github.com/regent-ha/regent/config"
)

// openLog writes to standard error, or to a file that it rotates.
func openLog(c config.Log) (*slog.Logger, func(), error) {
	out, closeOut := os.Stderr, func() {}
	options := &slog.HandlerOptions{Level: c.Level}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if c.Type == "json" {
		handler = slog.NewJSONHandler(out, options)
	}
	log := slog.New(handler)
	for name, value := range c.StaticFields {
		log = log.With(name, value)
	}
	return log, closeOut, nil
}
