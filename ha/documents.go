package ha

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// leaderDocuments are what only the leader writes, with its renewal, and only
// where it changed: status, history, failsafe.
func leaderDocuments(v view, d *decision) []dcs.Write {
	var docs []dcs.Write
	s := v.Server
	if s.State == postgres.StateRunning && s.Role == postgres.RolePrimary && knowsHistory(v) {
		docs = ourPosition(v)
		d.Memory.History = uint32(s.Timeline)
	}
	if w, ok := failsafeWrite(v); ok {
		docs = append(docs, w)
	}
	return docs
}

// failsafeWrite changes the failsafe map, or deletes it where failsafe_mode is off.
// Only a leader that has just renewed does either: the write ends all pledges, so the
// lease must do without them. A map that was sent and may still take effect binds until
// another one has replaced what it was to replace: then the present one is written again.
func failsafeWrite(v view) (dcs.Write, bool) {
	have := v.Store.Cluster.Failsafe
	w := dcs.Write{Key: dcs.FailsafeKey, Prev: have.Version}
	switch {
	case v.Term.Unknown || !v.Now.Before(v.Term.Plan.GiveUp):
		return w, false
	case !v.Settings.Failsafe:
		return w, have.Version != dcs.Absent
	}
	want := failsafeMap(v)
	w.Value = encode(want)
	open := len(v.Term.Maps) > 0
	if open { // with other bytes, since a store may take the same ones for no write
		w.Value = append(w.Value, bytes.Repeat([]byte{' '}, 1+len(v.Term.Maps)+int(v.Now)&7)...)
	}
	return w, open || !maps.Equal(want.Members, have.Members)
}

// finalDocuments go with the release: the position that we came to as primary,
// which candidates measure their lag against. That of a standby is no measure.
func finalDocuments(v view) []dcs.Write {
	s := v.Server
	if s.PID != 0 || s.Location == 0 || s.Control == nil || s.Control.State != "shut down" {
		return nil
	}
	return ourPosition(v)
}

// ourPosition is how far we have come, and on which history: a position that the
// store has without its history looks like that of the timeline before, which every
// member on ours has left too early then.
func ourPosition(v view) []dcs.Write {
	if !knowsHistory(v) {
		return nil
	}
	c := v.Store.Cluster
	docs := appendChanged(nil, dcs.StatusKey, c.Status.Version, c.Status, leaderStatus(v))
	if history, ok := leaderHistory(v); ok {
		docs = append(docs, dcs.Write{Key: dcs.HistoryKey, Value: encode(history), Prev: c.History.Version})
	}
	return docs
}

// knowsHistory says whether we have read our own timeline's history, or the store
// has it already.
func knowsHistory(v view) bool {
	tl := v.Server.Timeline
	last, known := v.Store.Cluster.Timeline()
	return tl == 1 || tl > 1 && (len(v.History) > 0 || known && last == uint32(tl))
}

func appendChanged(docs []dcs.Write, key dcs.Key, prev dcs.Version, was, is dcs.Status) []dcs.Write {
	before, after := encode(was), encode(is)
	if slices.Equal(before, after) && was.Present {
		return docs
	}
	return append(docs, dcs.Write{Key: key, Value: after, Prev: prev})
}

// leaderStatus is our position and that of each slot, which the slots of the
// other members are moved to.
func leaderStatus(v view) dcs.Status {
	old := v.Store.Cluster.Status
	s := dcs.Status{Optime: uint64(v.Server.Location), Slots: map[string]uint64{}, Extra: old.Extra}
	for _, slot := range v.Server.Slots {
		if slot.Type == "physical" && slot.RestartLSN != 0 {
			s.Slots[slot.Name] = uint64(slot.RestartLSN)
		}
	}
	if v.Self.UseSlots {
		own := dcs.SlotName(v.Self.Name)
		s.Slots[own] = uint64(v.Server.Location)
		retained := map[string]bool{own: true}
		wanted, _ := memberSlots(v)
		for _, w := range wanted {
			retained[w.Name] = true
		}
		s.RetainSlots = slices.Sorted(maps.Keys(retained))
	}
	if len(s.Slots) == 0 {
		s.Slots = nil
	}
	return s
}

// leaderHistory is the cluster's history as our timeline tells it, and whether
// the store's must be replaced by it. Lines are compared by what they say, not
// by their number.
func leaderHistory(v view) (dcs.History, bool) {
	old := v.Store.Cluster.History
	tl := uint32(v.Server.Timeline)
	switch {
	case tl == 1:
		return dcs.History{Present: true}, len(old.Lines) > 0
	case len(v.History) == 0:
		return dcs.History{}, false
	}
	lines := make([]dcs.HistoryLine, 0, len(v.History))
	for i, own := range v.History {
		line := dcs.HistoryLine{Timeline: uint32(own.Timeline), LSN: uint64(own.Switch), Reason: own.Reason}
		if known, ok := recorded(old, line); ok {
			line.Timestamp, line.Leader = known.Timestamp, known.Leader
		}
		if i == len(v.History)-1 && line.Leader == "" {
			line.Timestamp, line.Leader = v.Wall.Format("2006-01-02T15:04:05.000000-07:00"), v.Self.Name
		}
		lines = append(lines, line)
	}
	if most := v.Settings.MaxTimelinesHistory; most > 0 && len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return dcs.History{Lines: lines, Present: true}, !slices.Equal(lines, old.Lines)
}

func recorded(h dcs.History, line dcs.HistoryLine) (dcs.HistoryLine, bool) {
	for _, known := range h.Lines {
		if known.Timeline == line.Timeline && known.LSN == line.LSN {
			return known, true
		}
	}
	return dcs.HistoryLine{}, false
}

// failsafeMap is who must pledge when we lose the store. Members that have been gone
// for long are dropped from it, which also bars them from leading.
func failsafeMap(v view) dcs.Failsafe {
	members := map[string]string{}
	for _, m := range v.Store.Cluster.Members {
		if m.APIURL != "" {
			members[m.Name] = m.APIURL
		}
	}
	for name, url := range v.Store.Cluster.Failsafe.Members {
		if _, there := members[name]; !there && v.Now.Before(lastSign(v, name).Add(failsafeKeep(v))) {
			members[name] = url
		}
	}
	members[v.Self.Name] = v.Self.APIURL
	return dcs.Failsafe{Members: members}
}

// encode is the document's value as the layout has it.
func encode(document json.Marshaler) []byte {
	text, err := document.MarshalJSON()
	if err != nil {
		panic("ha: a document that can't be encoded: " + err.Error()) // no type of dcs has one
	}
	return text
}
