package ha

import "github.com/regent-ha/regent/dcs"

// Timing is the part of the settings that leases are planned with.
func (s Settings) Timing() dcs.Timing {
	return dcs.Timing{TTL: s.TTL, LoopWait: s.LoopWait, RetryTimeout: s.RetryTimeout}
}
