package ha

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// knownFile is the name of the file in the data directory.
const knownFile = "regent.members.json"

// KnownFile keeps KnownMembers in the data directory itself: what lies beside it
// may be gone with a container, and a directory that is moved, restored or removed
// takes it along. A base backup copies it, too.
type KnownFile struct{ path string }

// NewKnownFile keeps the members with the server in dataDir.
func NewKnownFile(dataDir string) *KnownFile {
	return &KnownFile{filepath.Join(dataDir, knownFile)}
}

// knownRecord is the content of the file.
type knownRecord struct {
	SystemID string            `json:"system_identifier"`
	Members  map[string]string `json:"members"`
	Pledge   time.Duration     `json:"pledge"` // in nanoseconds
}

// WriteKnown implements KnownMembers. It makes no directory.
func (f *KnownFile) WriteKnown(m Membership) error {
	text, err := json.Marshal(knownRecord(m))
	if err != nil {
		return err
	}
	next := f.path + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil { // after a power cut it is whole
		return err
	}
	return os.Rename(next, f.path)
}

// ReadKnown implements KnownMembers.
func (f *KnownFile) ReadKnown() (Membership, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Membership{}, nil
	}
	var r knownRecord
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return Membership{}, fmt.Errorf("ha: read %s: %w", f.path, err)
	}
	return Membership(r), nil
}
