package dcs

import (
	"encoding/json"
)

// Status is what the leader publishes at each renewal.
type Status struct {
	Optime      uint64            // WAL position of the leader, bytes
	Slots       map[string]uint64 // slot name to LSN
	RetainSlots []string          // slots to be kept for members that are away
	Extra       map[string]json.RawMessage
	Version     Version // of the status key
	Present     bool    // the status key exists
}

func parseStatus(docs map[Key]Document, p *problems) Status {
	doc, ok := docs[StatusKey]
	if !ok {
		return legacyOptime(docs, p)
	}
	s := Status{Version: doc.Version, Present: true}
	if optime, ok := wholeNumber(doc.Value); ok { // a bare position, quoted or not
		s.Optime = optime
		return s
	}
	raw, ok := decodeObject(doc.Value)
	if !ok {
		p.add(StatusKey, "%s is neither a JSON object nor a WAL position", excerpt(doc.Value))
		return s
	}
	f := fields{StatusKey, raw, p}
	s.Optime = f.number("optime")
	s.Slots = slotPositions(&f)
	s.RetainSlots = retainedSlots(&f)
	s.Extra = f.rest()
	return s
}

// legacyOptime is what old writers have instead of status.
func legacyOptime(docs map[Key]Document, p *problems) Status {
	doc, ok := docs[OptimeKey]
	if !ok {
		return Status{}
	}
	optime, ok := wholeNumber(doc.Value)
	if !ok {
		p.add(OptimeKey, "%s is no WAL position", excerpt(doc.Value))
	}
	return Status{Optime: optime}
}

func slotPositions(f *fields) map[string]uint64 {
	raw, ok := f.takeNested("slots")
	if !ok {
		return nil
	}
	object, ok := decodeObject(raw)
	if !ok {
		f.odd("slots", raw, "an object of slot names and positions")
		return nil
	}
	slots := make(map[string]uint64, len(object))
	for name, value := range object {
		position, ok := wholeNumber(value)
		if !ok {
			f.problems.add(f.key, "the position of slot %s is %s, not a whole number", excerpt(name), excerpt(value))
			continue
		}
		slots[name] = position
	}
	return slots
}

func retainedSlots(f *fields) []string {
	raw, ok := f.takeNested("retain_slots")
	if !ok {
		return nil
	}
	var values []json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		f.odd("retain_slots", raw, "an array of slot names")
		return nil
	}
	var names []string
	for _, value := range values {
		name, ok := scalar(value)
		if !ok {
			f.odd("retain_slots", raw, "an array of slot names")
			continue
		}
		names = append(names, name)
	}
	return names
}

// takeNested takes a value that may be JSON inside a JSON string, as it is where
// a store has strings only.
func (f *fields) takeNested(name string) (json.RawMessage, bool) {
	raw, ok := f.take(name)
	if ok && raw[0] == '"' {
		text, _ := scalar(raw)
		if text == "" || text == "null" {
			return nil, false
		}
		return json.RawMessage(text), true
	}
	return raw, ok
}

// MarshalJSON writes the value of the status key.
func (s Status) MarshalJSON() ([]byte, error) {
	var o object
	o.field("optime", s.Optime)
	if len(s.Slots) > 0 {
		o.field("slots", s.Slots)
	}
	if len(s.RetainSlots) > 0 {
		o.field("retain_slots", s.RetainSlots)
	}
	o.extra(s.Extra)
	return o.bytes()
}
