package main

import (
	"io"
	"slices"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger writes etcd's log as lines without stack traces. It returns what makes
// it silent, for the end: etcd calls each listener that it closes an error.
func logger(level string, out io.Writer) (*zap.Logger, func(), error) {
	parsed, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, nil, err
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	encoding.EncodeCaller = nil
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(out)), parsed)
	ending := &atomic.Bool{}
	return zap.New(quiet{core, ending}), func() { ending.Store(true) }, nil
}

// usual are warnings that every start of a member gives, about what it means to be.
var usual = []string{
	"Running http and grpc server on single port. This is not recommended for production.",
	"simple token is not cryptographically signed",
}

// quiet leaves out what is no news.
type quiet struct {
	zapcore.Core
	ending *atomic.Bool
}

func (q quiet) With(fields []zapcore.Field) zapcore.Core {
	return quiet{q.Core.With(fields), q.ending}
}

func (q quiet) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	// What ends the process is always said.
	if e.Level < zapcore.DPanicLevel && (q.ending.Load() || slices.Contains(usual, e.Message)) {
		return to
	}
	if q.Enabled(e.Level) {
		return to.AddCore(e, q)
	}
	return to
}
