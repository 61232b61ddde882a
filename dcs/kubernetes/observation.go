package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/regent-ha/regent/clock"
)

// observation is when a leader record was first seen as it is.
type observation struct {
	Record record        `json:"record"`
	At     clock.Instant `json:"at"`
	BootID string        `json:"boot_id"` // without which At means nothing
}

func (s observation) end(ours time.Duration) clock.Instant { return s.At.Add(s.Record.lasts(ours)) }

// observe judges the leader object, which was read before now: the record counts
// as held until it hasn't changed for its TTL since we saw it change.
func (d *DCS) observe(o *object, now clock.Instant) (r record, held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r = recordOf(o)
	if r != d.seen.Record || d.seen.At.IsZero() {
		d.see(r, now)
	}
	return r, r.Leader != "" && now.Before(d.seen.end(d.ttl))
}

// wrote remembers the leader object as our own write left it. The record counts
// from when that was sent: nobody can have seen it earlier.
func (d *DCS) wrote(w written) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leader = w.object
	d.see(recordOf(w.object), w.sent)
}

// expiry is when the record that was seen last stops to count; false: there is none.
func (d *DCS) expiry() (at clock.Instant, held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.end(d.ttl), d.seen.Record.Leader != ""
}

// see takes a new observation and writes it down; mu is held.
func (d *DCS) see(r record, at clock.Instant) {
	d.seen = observation{Record: r, At: at}
	if d.options.Observed == "" || d.name == "" {
		return
	}
	problem := ""
	if err := d.saveObservation(); err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != d.observed {
		d.log.Warn("what was seen of the leader record can't be written down: a restart will count its time anew", "error", problem)
	}
	d.observed = problem
}

// saveObservation replaces the file. It needn't reach the disk: it counts for this
// boot only.
func (d *DCS) saveObservation() error {
	s := d.seen
	s.BootID = clock.BootID()
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(d.options.Observed), filepath.Base(d.options.Observed)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.options.Observed)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// loadObservation goes on with what an earlier process of this boot saw.
func (d *DCS) loadObservation() {
	if d.options.Observed == "" || d.name == "" {
		return
	}
	text, err := os.ReadFile(d.options.Observed)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var s observation
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	switch {
	case err != nil:
		d.log.Warn("what was seen of the leader record before can't be read: its time counts anew", "error", fmt.Sprint(err))
	case s.BootID == clock.BootID() && s.BootID != "" && !s.At.After(d.clock.Now()):
		d.seen = s
	}
}
