package dcs

import (
	"testing"
	"time"

	"github.com/regent-ha/regent/clock"
)

func TestEntryStands(t *testing.T) {
	const lag = clock.Instant(10)
	for name, c := range map[string]struct {
		prepare func(e *Entry, s *Silence)
		now     clock.Instant
		want    bool
	}{
		"seen, and silent since":        {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "g"); s.Proven(8) }, 9, true},
		"never seen":                    {func(e *Entry, s *Silence) { s.News(5); s.Proven(8) }, 9, false},
		"no watch":                      {func(e *Entry, s *Silence) { e.Saw(6, "v", "g") }, 7, false},
		"news since":                    {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "g"); s.News(7) }, 8, false},
		"the watch broke":               {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "g"); s.Broken() }, 7, false},
		"another value":                 {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "w", "g") }, 7, false},
		"another grant":                 {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "h") }, 7, false},
		"silence proven too long ago":   {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "g"); s.Proven(8) }, 8 + lag, false},
		"a write of unknown outcome":    {func(e *Entry, s *Silence) { s.News(5); e.Saw(6, "v", "g"); e.Writing(7) }, 8, false},
		"an answer older than a write":  {func(e *Entry, s *Silence) { s.News(5); e.Writing(7); e.Saw(6, "v", "g") }, 8, false},
		"an answer older than the last": {func(e *Entry, s *Silence) { s.News(5); e.Saw(7, "", ""); e.Saw(6, "v", "g") }, 8, false},
	} {
		var e Entry
		var s Silence
		c.prepare(&e, &s)
		if got := e.Stands("v", "g", &s, c.now, time.Duration(lag)); got != c.want {
			t.Errorf("%s: stands %v", name, got)
		}
	}
}
