package config

import (
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/value"
)

// parseTags reads the tags that mean something; all others are kept as they are.
// Two pairs say the same thing twice: where they contradict one another, the
// switch counts.
func parseTags(s *section) dcs.Tags {
	if !s.present {
		return nil
	}
	tags := dcs.Tags{}
	for name, v := range s.values {
		if v != nil {
			tags[name] = v
		}
	}
	for _, name := range []string{"nofailover", "clonefrom", "noloadbalance", "nosync", "nostream"} {
		if s.has(name) {
			tags[name] = s.flag(name, false)
		}
	}
	for _, name := range []string{"failover_priority", "sync_priority"} {
		if s.has(name) {
			tags[name] = int(s.number(name, 1, -1<<31))
		}
	}
	if s.has("replicatefrom") {
		tags["replicatefrom"] = s.text("replicatefrom", "")
	}
	warnContradiction(s, tags, "nofailover", "failover_priority")
	warnContradiction(s, tags, "nosync", "sync_priority")
	return tags
}

func warnContradiction(s *section, tags dcs.Tags, no, priority string) {
	never, isFlag := tags[no].(bool)
	n, isInt := tags[priority].(int)
	if isFlag && isInt && never == (n > 0) {
		s.warn(s.path, "Conflicting configuration between %[1]s: %[2]s and %[3]s: %[4]d. Defaulting to %[1]s: %[2]s",
			no, map[bool]string{true: "True", false: "False"}[never], priority, n)
	}
}

func parseWatchdog(s *section) Watchdog {
	w := Watchdog{Mode: "off"}
	if v, given := s.take("mode"); given {
		if on, err := value.Bool(v); err != nil || on {
			w.Mode = s.oneOf("mode", "automatic", "off", "automatic", "required")
		}
	}
	w.Device = s.text("device", "/dev/watchdog")
	s.seconds("safety_margin", 0, -1<<62)
	s.oneOf("driver", "default", "default", "testing")
	if w.Mode == "required" {
		s.warn(s.key("mode"), "required is not used yet: the guard (fence) stands in for it")
	}
	s.rest()
	return w
}
