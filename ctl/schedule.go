package ctl

import (
	"time"

	"github.com/regent-ha/regent/dcs"
)

// parseSchedule reads when something is to happen; zero: now. A time without a
// zone is one of this machine's.
func (p *program) parseSchedule(text string) (time.Time, error) {
	if text == "" || text == "now" {
		return time.Time{}, nil
	}
	if at, err := dcs.ParseTime(text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, p.o.Now().Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, wording("Unable to parse scheduled timestamp (%s). It should be in an unambiguous format (e.g. ISO 8601)", text)
}

// nextHour is an example of a time that can be typed.
func (p *program) nextHour() string { return p.o.Now().Add(time.Hour).Format("2006-01-02T15:04") }
