package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/regent-ha/regent/config"
)

// logFile is the name that tools around Patroni look for.
const logFile = "patroni.log"

// openLog writes to standard error, or to a file in log.dir that it rotates.
func openLog(c config.Log) (*slog.Logger, func() error, error) {
	var out io.Writer = os.Stderr
	closeOut := func() error { return nil }
	if c.Dir != "" {
		file, err := rotating(c)
		if err != nil {
			return nil, nil, err
		}
		out, closeOut = file, file.Close
	}
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

// rotating opens the log file, with its mode: whoever rotates it keeps that.
func rotating(c config.Log) (*lumberjack.Logger, error) {
	path := filepath.Join(c.Dir, logFile)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, c.Mode)
	if err != nil {
		return nil, fmt.Errorf("log.dir: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("log.dir: %w", err)
	}
	const megabyte = 1 << 20
	return &lumberjack.Logger{Filename: path, MaxSize: max(int(c.FileSize/megabyte), 1), MaxBackups: c.FileNum}, nil
}
