package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// pollInterval is small against what is measured and large against its cost.
const pollInterval = 10 * time.Millisecond

// never is an error that waiting can't mend.
type never struct{ error }

func (n never) Unwrap() error { return n.error }

// Never makes Until end at once with err.
func Never(err error) error { return never{err} }

// Until polls check until it returns nil or ctx ends, and says what it waited
// for and what check said last.
func Until(ctx context.Context, what string, check func(context.Context) error) error {
	start := time.Now()
	var last error
	for {
		err := check(ctx)
		var hopeless never
		switch {
		case err == nil:
			return nil
		case errors.As(err, &hopeless):
			return fmt.Errorf("lab: wait for %s: %w", what, err)
		case last == nil || ctx.Err() == nil:
			last = err // not that the context has ended, which is known
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab: waited %v for %s: %w", time.Since(start).Round(time.Millisecond), what, last)
		case <-time.After(pollInterval):
		}
	}
}

// lastLine of a log, for error texts.
func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}
