package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// dynamicFile is where Patroni keeps it, too.
const dynamicFile = "patroni.dynamic.json"

// DynamicFile keeps the cluster's dynamic configuration in the data directory, as it
// was in the store last: an agent that starts while the store is away goes by it, and
// a leader restores it in a store that has lost it.
type DynamicFile struct {
	dataDir string
	log     *slog.Logger

	mu      sync.Mutex
	text    []byte // to be written; nil: nothing
	writing bool
	failed  bool // which was said
	group   sync.WaitGroup
}

// NewDynamicFile keeps it in dataDir.
func NewDynamicFile(dataDir string, log *slog.Logger) *DynamicFile {
	return &DynamicFile{dataDir: dataDir, log: log}
}

func (f *DynamicFile) path() string { return filepath.Join(f.dataDir, dynamicFile) }

// Read returns what was written last, also as JSON; nil: nothing was.
func (f *DynamicFile) Read() (values map[string]any, text []byte, err error) {
	text, err = os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("config: read the dynamic configuration as it was last: %w", err)
	}
	return values, bytes.TrimSpace(text), nil
}

// Keep takes values for the next Write.
func (f *DynamicFile) Keep(values map[string]any) {
	text, err := json.Marshal(values)
	if err != nil {
		f.log.Warn("the dynamic configuration can't be kept for a time without the store", "error", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
}

// Write begins to write what was kept, if that is news, as soon as the data directory
// holds a finished cluster. The caller doesn't wait: a disk may hang.
func (f *DynamicFile) Write() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.text == nil || f.writing {
		return
	}
	f.writing = true
	f.group.Go(f.write)
}

func (f *DynamicFile) write() {
	f.mu.Lock()
	text := f.text
	f.mu.Unlock()
	written, err := f.replace(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writing = false
	if written && bytes.Equal(text, f.text) {
		f.text = nil
	}
	if err != nil && !f.failed {
		f.log.Warn("the dynamic configuration can't be kept for a time without the store", "error", err)
	}
	f.failed = err != nil
}

// replace writes the file where that disturbs nobody: a directory that is being filled
// or rewound is left alone.
func (f *DynamicFile) replace(text []byte) (written bool, err error) {
	if _, err := os.Stat(filepath.Join(f.dataDir, "global", "pg_control")); err != nil {
		return false, nil
	}
	for _, mark := range []string{f.dataDir + ".incomplete", filepath.Join(f.dataDir, "regent.incomplete.*")} {
		if found, _ := filepath.Glob(mark); len(found) > 0 {
			return false, nil
		}
	}
	if before, err := os.ReadFile(f.path()); err == nil && bytes.Equal(bytes.TrimSpace(before), text) {
		return true, nil
	}
	file, err := os.CreateTemp(f.dataDir, dynamicFile+".*.new") // mode 0600
	if err != nil {
		return false, err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), f.path())
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err == nil, err
}

// Close waits for a write that is under way.
func (f *DynamicFile) Close() { f.group.Wait() }
