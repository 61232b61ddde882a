package ha

import (
	"fmt"
	"time"
)

// Floors are the least timeouts that a cluster may have.
type Floors struct {
	TTL          time.Duration
	RetryTimeout time.Duration
}

// CommonFloors hold where members of another program take part, and on every
// store but etcd.
func CommonFloors() Floors { return Floors{TTL: 20 * time.Second, RetryTimeout: 3 * time.Second} }

// ShortFloors hold on etcd while every member is one of ours.
func ShortFloors() Floors { return Floors{TTL: 5 * time.Second, RetryTimeout: time.Second} }

// leastLoopWait is the shortest pause between two looks.
const leastLoopWait = time.Second

// fit raises ttl, loop_wait and retry_timeout to their floors and then lowers
// loop_wait and retry_timeout until a whole cycle and two failed requests end
// before the lease does: loop_wait + 2 * retry_timeout <= ttl. It returns a
// warning for each change and refuses what can't be made to fit.
func (s *Settings) fit(floors Floors, refuse func(key, format string, args ...any)) (warnings []string) {
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	raise := func(key string, d *time.Duration, least time.Duration) {
		whole := d.Round(time.Second)
		if whole < least {
			warn("%s: %v is less than the least allowed; %v is used", key, *d, least)
			whole = least
		}
		*d = whole
	}
	raise("ttl", &s.TTL, floors.TTL)
	raise("loop_wait", &s.LoopWait, leastLoopWait)
	raise("retry_timeout", &s.RetryTimeout, floors.RetryTimeout)

	if needed := leastLoopWait + 2*floors.RetryTimeout; s.TTL < needed {
		refuse("ttl", "%v is too short for a retry_timeout of at least %v: at least %v is needed", s.TTL, floors.RetryTimeout, needed)
		return warnings
	}
	switch {
	case leastLoopWait+2*s.RetryTimeout > s.TTL:
		retry := ((s.TTL - leastLoopWait) / 2).Truncate(time.Second)
		warn("retry_timeout: %v is too long for ttl %v; loop_wait %v and retry_timeout %v are used", s.RetryTimeout, s.TTL, leastLoopWait, retry)
		s.LoopWait, s.RetryTimeout = leastLoopWait, retry
	case s.LoopWait+2*s.RetryTimeout > s.TTL:
		wait := s.TTL - 2*s.RetryTimeout
		warn("loop_wait: %v is too long for ttl %v and retry_timeout %v; %v is used", s.LoopWait, s.TTL, s.RetryTimeout, wait)
		s.LoopWait = wait
	}
	return warnings
}
