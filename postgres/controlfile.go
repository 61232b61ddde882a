package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// controlFile reads one data directory's control file. A layout that isn't known
// here is left to pg_controldata of its own version, which runs only when the
// file's bytes have changed since it last did.
type controlFile struct {
	program string // path of pg_controldata
	dataDir string

	mu    sync.Mutex
	bytes []byte // that last came from; nil: from none
	last  Control
}

// States of a cluster, as pg_controldata prints them.
const (
	shutDown           = "shut down"
	shutDownInRecovery = "shut down in recovery"
	inArchiveRecovery  = "in archive recovery"
	inProduction       = "in production"
)

// A server writes its control file in place: a read beside the write may see
// half of it. Then it is read again.
const (
	controlTries = 5
	controlPause = 10 * time.Millisecond
)

var errControlChecksum = errors.New("its checksum is wrong: it is damaged")

func (c *controlFile) read(ctx context.Context) (*Control, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for range controlTries {
		var control Control
		if control, err = c.readOnce(ctx); err == nil {
			return &control, nil
		}
		if !errors.Is(err, errControlChecksum) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("postgres: read the control file: %w", context.Cause(ctx))
		case <-time.After(controlPause):
		}
	}
	return nil, fmt.Errorf("postgres: read the control file: %w", err)
}

func (c *controlFile) readOnce(ctx context.Context) (Control, error) {
	path := filepath.Join(c.dataDir, "global", "pg_control")
	before, err := os.ReadFile(path)
	if err != nil {
		return Control{}, err
	}
	control, unknown := decodeControl(before)
	if !errors.Is(unknown, errControlLayout) {
		return control, unknown
	}
	if c.bytes == nil || !bytes.Equal(before, c.bytes) {
		if control, err = runControldata(ctx, c.program, c.dataDir); err != nil {
			return Control{}, fmt.Errorf("%w: %w", unknown, err)
		}
		c.last, c.bytes = control, nil
		if after, err := os.ReadFile(path); err == nil && bytes.Equal(before, after) {
			c.bytes = before
		}
	}
	return c.last, nil
}
