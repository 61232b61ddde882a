package dcs

import (
	"fmt"
	"strings"
	"time"
)

// FormatTime writes a moment as the documents do: ISO 8601 with up to
// microseconds and a numeric offset.
func FormatTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.999999-07:00") }

// timeLayouts are ISO 8601 as people and programs write it.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07",
	"20060102T150405Z07:00", "20060102T150405Z0700",
}

// ParseTime reads a moment in ISO 8601, with a blank or a T between date and
// time. The offset is required: a time without one means another moment on each
// machine.
func ParseTime(text string) (time.Time, error) {
	s := strings.TrimSpace(text)
	if len(s) > 64 {
		return time.Time{}, fmt.Errorf("%s is no time", excerpt(s))
	}
	for _, zone := range []string{" UTC", " GMT"} {
		if moment, ok := strings.CutSuffix(s, zone); ok {
			s = moment + "Z"
		}
	}
	if date, rest, ok := strings.Cut(s, " "); ok {
		s = date + "T" + strings.ReplaceAll(rest, " ", "")
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is no time with an offset, like 2026-11-23T01:40:07+00:00", excerpt(text))
}
