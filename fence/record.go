package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Record is the lease file: the proof, for the next agent and the next guard,
// that this data directory on this boot of this machine holds a grant. The agent
// writes it before it arms for the first time under a grant, and at each renewal.
type Record struct {
	Grant    string        `json:"grant"`     // dcs.Lease.ID
	Number   uint64        `json:"number"`    // of the arm that goes with it
	Fast     clock.Instant `json:"fast"`      // as in that arm
	Kill     clock.Instant `json:"kill"`      // as in that arm
	Since    clock.Instant `json:"since"`     // when the request that last extended the grant was sent
	For      time.Duration `json:"for"`       // what the store granted then, in nanoseconds
	Writable bool          `json:"writable"`  // the server was started in place or promoted under this grant
	Member   string        `json:"member"`    // who won it
	SystemID string        `json:"system_id"` // PostgreSQL's system identifier, decimal; empty while a bootstrap has none
	BootID   string        `json:"boot_id"`
	Machine  string        `json:"machine_id"`
	Device   uint64        `json:"device"` // of the data directory
	Inode    uint64        `json:"inode"`  // of the data directory
	// Agent is what the agent notes for the one after it, and no guard looks at.
	Agent json.RawMessage `json:"agent,omitempty"`
}

// NewRecord is the record of a on this boot, this machine and dataDir.
func NewRecord(a Arm, dataDir, member, systemID string) (Record, error) {
	id, err := identify(dataDir)
	if err != nil {
		return Record{}, fmt.Errorf("fence: lease file for %s: %w", dataDir, err)
	}
	return Record{
		Grant: a.Grant, Number: a.Number, Fast: a.Fast, Kill: a.Kill,
		Member: member, SystemID: systemID, BootID: clock.BootID(), Machine: machineID(),
		Device: id.device, Inode: id.inode,
	}, nil
}

// Arm is the arm that the record was written for.
func (r Record) Arm() Arm { return Arm{Number: r.Number, Grant: r.Grant, Fast: r.Fast, Kill: r.Kill} }

// Proves is nil if the record was written on this boot of this machine, for the
// data directory that is at dataDir now, by member in the cluster systemID. Else
// it says why the record proves nothing: a leader key with the member's name is
// then somebody else's until it ends.
func (r Record) Proves(dataDir, member, systemID string) error {
	id, err := identify(dataDir)
	switch boot := clock.BootID(); {
	case r.Grant == "":
		return errors.New("fence: the lease file names no grant")
	case err != nil:
		return fmt.Errorf("fence: the lease file can't be compared with %s: %w", dataDir, err)
	case r.Member != member:
		return fmt.Errorf("fence: the lease file is member %q's, not %q's", r.Member, member)
	case r.SystemID != systemID:
		return fmt.Errorf("fence: the lease file is of the system %q, not %q", r.SystemID, systemID)
	case r.BootID == "" || r.BootID != boot:
		return errors.New("fence: the lease file is of another boot of the machine")
	case r.Machine != machineID():
		return errors.New("fence: the lease file is another machine's")
	case r.Device != id.device || r.Inode != id.inode:
		return fmt.Errorf("fence: the lease file is of another directory than what is now %s", dataDir)
	}
	return nil
}

// WriteRecord replaces the lease file at path. Only its owner can read it. It
// doesn't wait for the disk: after a crash of the machine the file is of another
// boot and proves nothing, and no renewal should hang on a disk that is busy.
func WriteRecord(path string, r Record) error {
	if err := replaceJSON(path, r, (*os.File).Close); err != nil {
		return fmt.Errorf("fence: write the lease file: %w", err)
	}
	return nil
}

// ReadRecord reads the lease file at path. Without one, errors.Is finds
// fs.ErrNotExist.
func ReadRecord(path string) (Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("fence: read the lease file: %w", err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("fence: read the lease file %s: %w", path, err)
	}
	return r, nil
}

// replaceJSON writes v beside path, finishes that file and renames it: a reader
// sees the old file or the new one.
func replaceJSON(path string, v any, finish func(*os.File) error) (err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, finish(f)); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncAndClose finishes a file that a crash of the machine must not empty.
func syncAndClose(f *os.File) error { return errors.Join(f.Sync(), f.Close()) }

// machineID is systemd's, empty where there is none.
func machineID() string {
	id, _ := os.ReadFile("/etc/machine-id")
	return strings.TrimSpace(string(id))
}
