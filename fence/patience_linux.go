package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	firstRest = 50 * time.Millisecond
	lastRest  = time.Second
	// sayAfter is longer than a guard takes to start or to end. Callers who give
	// less time get the reason as an error.
	sayAfter = 3 * time.Second
)

// patience is what a Connect goes by while there is a guard that it can't talk
// to: it tries less and less often, and says once what it waits for.
type patience struct {
	rest time.Duration
	why  atomic.Pointer[error]
}

// begin says after a while, once, what is waited for, unless stop is called
// before.
func (p *patience) begin(log *slog.Logger, dataDir string) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-quit:
		case <-time.After(sayAfter):
			log.Warn("still waiting for the guard", "data_dir", dataDir, "reason", p.reason())
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// waits notes what is waited for now.
func (p *patience) waits(why error) { p.why.Store(&why) }

// rests waits before the next try; the last came to nothing because of why.
func (p *patience) rests(ctx context.Context, why error) error {
	p.waits(why)
	p.rest = max(firstRest, min(2*p.rest, lastRest))
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(p.rest):
		return nil
	}
}

func (p *patience) reason() error {
	if why := p.why.Load(); why != nil {
		return *why
	}
	return errors.New("it is being started")
}

// over is err, or what was waited for if err only says that ctx has ended.
func (p *patience) over(ctx context.Context, err error) error {
	var refused *RefusedError
	if why := p.why.Load(); why != nil && ctx.Err() != nil && !errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", *why, context.Cause(ctx))
	}
	return err
}
