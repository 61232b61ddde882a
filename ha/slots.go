package ha

import (
	"slices"
	"strings"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// keepSlots adds the members' physical slots to a decision, once a cycle and
// when one is missing. Every member has them, not only the leader: after a
// promotion the others find their WAL.
func keepSlots(v view, d decision) decision {
	wanted, gone := memberSlots(v)
	if !v.Self.UseSlots || v.Now.Before(v.Memory.LastSlots.Add(v.Settings.LoopWait)) && !slotMissing(v, wanted) {
		return d
	}
	d.Memory.LastSlots = v.Now
	if len(wanted) == 0 && len(gone) == 0 {
		return d
	}
	return d.with(syncSlots{wanted, gone})
}

// memberSlots are the slots of all other members, and those of members that have
// been gone for member_slots_ttl. Slots that are no member's are left alone.
func memberSlots(v view) (wanted []postgres.WantedSlot, gone []string) {
	status := v.Store.Cluster.Status
	own := dcs.SlotName(v.Self.Name)
	leads := v.Term.held()
	for _, m := range v.Store.Cluster.Members {
		name := dcs.SlotName(m.Name)
		if m.Name == v.Self.Name || m.Tags.NoStream() || name == own {
			continue
		}
		slot := postgres.WantedSlot{Name: name}
		if !leads {
			slot.Advance = postgres.LSN(status.Slots[name])
		}
		wanted = append(wanted, slot)
	}
	for name, seen := range v.Seen {
		slot := dcs.SlotName(name)
		if _, there := v.Store.Cluster.Member(name); there || slot == own || wants(wanted, slot) {
			continue
		}
		if v.Now.Before(seen.Add(v.Settings.MemberSlotsTTL)) {
			wanted = append(wanted, postgres.WantedSlot{Name: slot, Advance: postgres.LSN(status.Slots[slot])})
		} else {
			gone = append(gone, slot)
		}
	}
	slices.SortFunc(wanted, func(a, b postgres.WantedSlot) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(gone)
	return wanted, gone
}

func wants(wanted []postgres.WantedSlot, name string) bool {
	return slices.ContainsFunc(wanted, func(w postgres.WantedSlot) bool { return w.Name == name })
}

func slotMissing(v view, wanted []postgres.WantedSlot) bool {
	return slices.ContainsFunc(wanted, func(w postgres.WantedSlot) bool { return !hasSlot(v, w.Name) })
}

// hasSlot says whether the server has a slot of this name.
func hasSlot(v view, name string) bool {
	return slices.ContainsFunc(v.Server.Slots, func(s postgres.Slot) bool { return s.Name == name })
}
