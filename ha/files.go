package ha

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/fence"
)

// Files keeps Notes in a run directory, where the guard finds the lease too.
type Files struct {
	lease   string
	pledge  string
	dataDir string
	member  string
}

// NewFiles keeps the notes of member for the data directory that o names, in o's
// run directory.
func NewFiles(o fence.Options, member string) (*Files, error) {
	lease, err := o.LeaseFile()
	if err != nil {
		return nil, fmt.Errorf("ha: where to write the lease down: %w", err)
	}
	return &Files{
		lease:   lease,
		pledge:  filepath.Join(filepath.Dir(lease), "pledge"),
		dataDir: o.DataDir,
		member:  member,
	}, nil
}

// WriteLease replaces the lease file.
func (f *Files) WriteLease(n LeaseNote) error {
	arm := fence.Arm{Number: n.Number, Grant: n.Grant, Fast: n.Fast, Kill: n.Kill}
	record, err := fence.NewRecord(arm, f.dataDir, f.member, n.SystemID)
	if err != nil {
		return err
	}
	record.Since, record.For, record.Writable = n.Since, n.For, n.Writable
	if record.Agent, err = json.Marshal(agentRecord{Plan: n.Plan, Pledges: n.Pledges, Maps: n.Maps}); err != nil {
		return err
	}
	return fence.WriteRecord(f.lease, record)
}

// ReadLease returns what the lease file proves.
func (f *Files) ReadLease(systemID string) (LeaseNote, error) {
	r, err := fence.ReadRecord(f.lease)
	if err != nil {
		return LeaseNote{}, err
	}
	if err := r.Proves(f.dataDir, f.member, systemID); err != nil {
		return LeaseNote{}, err
	}
	var a agentRecord
	if len(r.Agent) > 0 { // else it is of a build before this
		if err := json.Unmarshal(r.Agent, &a); err != nil {
			return LeaseNote{}, fmt.Errorf("ha: read the lease file: %w", err)
		}
	}
	return LeaseNote{
		Grant: r.Grant, Number: r.Number, Since: r.Since, For: r.For,
		Fast: r.Fast, Kill: r.Kill, SystemID: r.SystemID, Writable: r.Writable,
		Plan: a.Plan, Pledges: a.Pledges, Maps: a.Maps,
	}, nil
}

// agentRecord is what the lease file has for agents alone.
type agentRecord struct {
	Plan    dcs.Plan  `json:"plan"`
	Pledges dcs.Plan  `json:"pledges"`
	Maps    []MapNote `json:"maps"`
}

// ForgetLease removes the lease file.
func (f *Files) ForgetLease() error {
	if err := os.Remove(f.lease); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pledgeRecord is the pledge file. Its deadline means something only on the boot
// that it names.
type pledgeRecord struct {
	To         string        `json:"to"`
	For        time.Duration `json:"for"`
	Until      clock.Instant `json:"until"`
	Assumed    clock.Instant `json:"assumed"`
	AssumedFor time.Duration `json:"assumed_for"`
	BootID     string        `json:"boot_id"`
}

// WritePledge replaces the pledge file, and returns when it is on disk.
func (f *Files) WritePledge(n PledgeNote) error {
	text, err := json.Marshal(pledgeRecord{To: n.To, For: n.For, Until: n.Until, Assumed: n.Assumed, AssumedFor: n.AssumedFor, BootID: clock.BootID()})
	if err != nil {
		return err
	}
	next := f.pledge + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(next, f.pledge)
}

// ReadPledge returns the pledge that was written down last.
func (f *Files) ReadPledge(now clock.Instant, ttl time.Duration) (PledgeNote, error) {
	text, err := os.ReadFile(f.pledge)
	var r pledgeRecord
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return PledgeNote{}, fmt.Errorf("ha: read the pledge file: %w", err)
	}
	n := PledgeNote{To: r.To, For: r.For, Until: r.Until, Assumed: r.Assumed, AssumedFor: r.AssumedFor}
	if r.BootID != clock.BootID() || r.BootID == "" {
		n = n.anotherBoot(now, ttl)
	}
	return n, nil
}
