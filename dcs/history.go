package dcs

import (
	"encoding/json"
	"fmt"
	"strings"
)

// History is the cluster's timelines, oldest first. Nil with Present false: unknown.
type History struct {
	Lines   []HistoryLine
	Version Version // of the key, also where its value can't be read
	Present bool    // the key exists and could be read
}

// HistoryLine says where a timeline ended.
type HistoryLine struct {
	Timeline  uint32
	LSN       uint64 // where it ended, bytes
	Reason    string
	Timestamp string // ISO 8601; empty: not recorded
	Leader    string // who led afterwards; empty: not recorded
	Extra     string // further elements as JSON, with commas between; kept
}

// Timeline is the cluster's latest one, by the history alone.
func (h History) Timeline() (tl uint32, known bool) {
	switch {
	case !h.Present:
		return 0, false
	case len(h.Lines) == 0:
		return 1, true
	}
	return h.Lines[len(h.Lines)-1].Timeline + 1, true
}

func parseHistory(docs map[Key]Document, p *problems) History {
	doc, ok := docs[HistoryKey]
	if !ok {
		return History{}
	}
	unknown := History{Version: doc.Version}
	var lines []json.RawMessage
	if json.Unmarshal(doc.Value, &lines) != nil || lines == nil {
		p.add(HistoryKey, "%s is no JSON array", excerpt(doc.Value))
		return unknown
	}
	h := History{Version: doc.Version, Present: true}
	for i, raw := range lines {
		line, err := parseHistoryLine(raw)
		if err != nil {
			p.add(HistoryKey, "line %d: %v; the whole history counts as unknown", i+1, err)
			return unknown
		}
		h.Lines = append(h.Lines, line)
	}
	return h
}

func parseHistoryLine(raw json.RawMessage) (HistoryLine, error) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil || len(elements) < 2 {
		return HistoryLine{}, fmt.Errorf("%s is no array of timeline, LSN, reason", excerpt(raw))
	}
	tl, ok := wholeNumber(elements[0])
	if !ok || tl == 0 || tl >= 1<<32-1 {
		return HistoryLine{}, fmt.Errorf("%s is no timeline", excerpt(elements[0]))
	}
	lsn, ok := wholeNumber(elements[1])
	if !ok {
		return HistoryLine{}, fmt.Errorf("%s is no WAL position in bytes", excerpt(elements[1]))
	}
	line := HistoryLine{Timeline: uint32(tl), LSN: lsn}
	for i, text := range []*string{&line.Reason, &line.Timestamp, &line.Leader} {
		if len(elements) > i+2 {
			*text, _ = scalar(elements[i+2])
		}
	}
	var extra []string
	for _, e := range elements[min(5, len(elements)):] {
		extra = append(extra, string(e))
	}
	line.Extra = strings.Join(extra, ",")
	return line, nil
}

// MarshalJSON writes the value of the history key.
func (h History) MarshalJSON() ([]byte, error) {
	if len(h.Lines) == 0 {
		return []byte("[]"), nil
	}
	return encode(h.Lines)
}

// MarshalJSON writes the line with as many elements as it has.
func (l HistoryLine) MarshalJSON() ([]byte, error) {
	elements := []any{l.Timeline, l.LSN, l.Reason}
	if l.Timestamp != "" || l.Leader != "" || l.Extra != "" {
		elements = append(elements, l.Timestamp)
	}
	if l.Leader != "" || l.Extra != "" {
		elements = append(elements, l.Leader)
	}
	if l.Extra != "" {
		var extra []json.RawMessage
		if err := json.Unmarshal([]byte("["+l.Extra+"]"), &extra); err != nil {
			return nil, fmt.Errorf("dcs: history line %d: Extra is no JSON: %w", l.Timeline, err)
		}
		for _, e := range extra {
			elements = append(elements, e)
		}
	}
	return encode(elements)
}
