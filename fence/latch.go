package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Latch is what a guard leaves on disk, in its run directory, for the next one.
type Latch struct {
	Fired  bool     `json:"fired"`            // it fired, and no arm for another grant came since
	Number uint64   `json:"number"`           // highest number that had counted
	Spent  []string `json:"spent,omitempty"`  // grants that are never armed again, the latest first
	Fenced string   `json:"fenced,omitempty"` // data directory that must come back as a standby
}

// readLatch returns the zero Latch if there is no file. One that can't be read
// or understood is an error: it may say that the guard fired.
func readLatch(path string) (Latch, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Latch{}, nil
	}
	if err != nil {
		return Latch{}, fmt.Errorf("fence: read the latch: %w", err)
	}
	var l Latch
	if err := json.Unmarshal(text, &l); err != nil {
		return Latch{}, fmt.Errorf("fence: read the latch %s: %w", path, err)
	}
	return l, nil
}

func (l Latch) write(path string) error {
	if err := replaceJSON(path, l, syncAndClose); err != nil {
		return fmt.Errorf("fence: write the latch: %w", err)
	}
	return nil
}
