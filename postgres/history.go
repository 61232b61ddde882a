package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// History is the content of the history file of tl in our pg_wal; timeline 1
// has none. errors.Is finds fs.ErrNotExist where the file isn't there.
func (s *Server) History(_ context.Context, tl Timeline) ([]HistoryLine, error) {
	if tl <= 1 {
		return nil, nil
	}
	content, err := os.ReadFile(s.dataPath(filepath.Join("pg_wal", historyName(tl))))
	if err != nil {
		return nil, fmt.Errorf("postgres: history of timeline %d: %w", tl, err)
	}
	lines, err := parseHistory(string(content), tl)
	if err != nil {
		return nil, fmt.Errorf("postgres: history of timeline %d: %w", tl, err)
	}
	return lines, nil
}

func historyName(tl Timeline) string { return fmt.Sprintf("%08X.history", uint32(tl)) }

// parseHistory reads a history file of tl: a line for each ancestor, oldest
// first, with its number, where it ended, and why; and comments.
func parseHistory(text string, tl Timeline) ([]HistoryLine, error) {
	var lines []HistoryLine
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		h, err := parseHistoryLine(line)
		if err != nil {
			return nil, err
		}
		if n := len(lines); n > 0 && (h.Timeline <= lines[n-1].Timeline || h.Switch < lines[n-1].Switch) {
			return nil, fmt.Errorf("timeline %d up to %s follows timeline %d up to %s: both must grow", h.Timeline, h.Switch, lines[n-1].Timeline, lines[n-1].Switch)
		}
		lines = append(lines, h)
	}
	if n := len(lines); n > 0 && lines[n-1].Timeline >= tl {
		return nil, fmt.Errorf("it names timeline %d as an ancestor of %d", lines[n-1].Timeline, tl)
	}
	return lines, nil
}

func parseHistoryLine(line string) (HistoryLine, error) {
	number, rest := cutBlank(line)
	position, reason := cutBlank(rest)
	tl, err := strconv.ParseUint(number, 10, 32)
	if err != nil || tl == 0 {
		return HistoryLine{}, fmt.Errorf("the line %q must begin with a timeline's number", line)
	}
	lsn, err := ParseLSN(position)
	if err != nil {
		return HistoryLine{}, fmt.Errorf("the line %q must have a WAL position after the timeline's number", line)
	}
	return HistoryLine{Timeline: Timeline(tl), Switch: lsn, Reason: reason}, nil
}

func cutBlank(s string) (before, after string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// branch is a server's WAL: the timelines that it came along, the one that it is
// on, and where it ends there.
type branch struct {
	history  []HistoryLine
	timeline Timeline
	end      LSN
}

// compareHistory says whether our WAL is part of theirs, as far as histories
// and positions tell; see sameWAL for what they can't. A timeline's number
// alone means nothing: two servers promoted by hand both call theirs the next.
// Ours must have been read before theirs, whose end only grows.
func compareHistory(ours, theirs branch) Ancestry {
	start := LSN(0) // of the timeline at hand, on which both agree up to there
	for i := 0; ; i++ {
		ourTL, ourEnd, ourLast := ours.step(i)
		theirTL, theirEnd, theirLast := theirs.step(i)
		switch {
		case ourTL != theirTL:
			return Ancestry{Diverged: true, Fork: start,
				Reason: fmt.Sprintf("from %s on we are on timeline %d, it is on timeline %d", start, ourTL, theirTL)}
		case ourLast && theirLast && ourEnd > theirEnd:
			return Ancestry{Diverged: true, Fork: start,
				Reason: fmt.Sprintf("we end at %s on timeline %d, it has come only to %s", ourEnd, ourTL, theirEnd)}
		case ourLast && ourEnd > theirEnd:
			return Ancestry{Diverged: true, Fork: theirEnd,
				Reason: fmt.Sprintf("we end at %s on timeline %d, which it left at %s", ourEnd, ourTL, theirEnd)}
		case ourLast:
			return Ancestry{Fork: ourEnd, Reason: fmt.Sprintf("our timeline %d up to %s is part of its history", ourTL, ourEnd)}
		case theirLast || ourEnd != theirEnd:
			fork := min(ourEnd, theirEnd)
			return Ancestry{Diverged: true, Fork: fork,
				Reason: fmt.Sprintf("we left timeline %d at %s, it %s", ourTL, ourEnd, leftAt(theirLast, theirEnd))}
		}
		start = ourEnd
	}
}

// step is the i-th timeline of b, where it ends, and whether it is the last.
func (b branch) step(i int) (tl Timeline, end LSN, last bool) {
	if i < len(b.history) {
		return b.history[i].Timeline, b.history[i].Switch, false
	}
	return b.timeline, b.end, true
}

// begin is where b's last timeline began.
func (b branch) begin() LSN {
	if n := len(b.history); n > 0 {
		return b.history[n-1].Switch
	}
	return 0
}

// upTo is the part of b up to a position that it came by.
func (b branch) upTo(end LSN) branch {
	for i, h := range b.history {
		if end <= h.Switch {
			return branch{history: b.history[:i], timeline: h.Timeline, end: end}
		}
	}
	return branch{history: b.history, timeline: b.timeline, end: min(end, b.end)}
}

func leftAt(still bool, at LSN) string {
	if still {
		return "is still on it, at " + at.String()
	}
	return "left it at " + at.String()
}
