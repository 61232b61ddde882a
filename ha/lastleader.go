package ha

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
)

// LeaderNote is the leader that the store named when an agent last read it: an
// agent that starts while the store is away knows from it to whom it may pledge.
type LeaderNote struct {
	SystemID string `json:"system_identifier"` // of the cluster, as the store had it
	Scope    string `json:"scope"`
	Name     string `json:"name"` // empty: nobody has led yet
	Grant    string `json:"grant"`
	// Of the leader's entry, as it was last there.
	Ours    bool   `json:"ours"`
	ConnURL string `json:"conn_url"`
	APIURL  string `json:"api_url"`
}

// next is the note after the store was read as c. Who led last stays while nobody does.
func (n LeaderNote) next(c dcs.Cluster, scope string) LeaderNote {
	if id := c.Initialize.SystemID; id != "" {
		if n.SystemID != "" && n.SystemID != id {
			n = LeaderNote{} // of a cluster that was here before
		}
		n.SystemID = id
	}
	n.Scope = scope
	if c.Leader == nil {
		return n
	}
	if c.Leader.Name != n.Name {
		n.Ours, n.ConnURL, n.APIURL = false, "", ""
	}
	n.Name, n.Grant = c.Leader.Name, c.Leader.Grant
	if m, ok := c.Member(n.Name); ok {
		n.Ours, n.ConnURL, n.APIURL = m.Regent != "", m.ConnURL, m.APIURL
	}
	return n
}

func (f *Files) leader() string { return filepath.Join(filepath.Dir(f.lease), "leader") }

// leaderRecord is the file of a LeaderNote, which means something on this boot alone.
type leaderRecord struct {
	LeaderNote
	BootID string `json:"boot_id"`
}

// WriteLeader replaces the file with the last leader. It doesn't wait for the disk:
// after a crash of the machine the file is of another boot and proves nothing.
func (f *Files) WriteLeader(n LeaderNote) error {
	text, err := json.Marshal(leaderRecord{LeaderNote: n, BootID: clock.BootID()})
	if err != nil {
		return err
	}
	next := f.leader() + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, f.leader())
}

// ReadLeader returns the leader that was written down last on this boot. A file of
// another boot is none.
func (f *Files) ReadLeader() (LeaderNote, error) {
	text, err := os.ReadFile(f.leader())
	if errors.Is(err, fs.ErrNotExist) {
		return LeaderNote{}, nil
	}
	var r leaderRecord
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return LeaderNote{}, fmt.Errorf("ha: read the file with the last leader: %w", err)
	}
	if r.BootID == "" || r.BootID != clock.BootID() {
		return LeaderNote{}, nil
	}
	return r.LeaderNote, nil
}
