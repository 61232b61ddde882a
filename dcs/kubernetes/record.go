package kubernetes

import (
	"strconv"
	"time"

	"github.com/regent-ha/regent/dcs"
)

// Annotations of the leader object.
const (
	leaderAnnotation      = "leader"
	acquireTimeAnnotation = "acquireTime"
	renewTimeAnnotation   = "renewTime"
	ttlAnnotation         = "ttl"
	transitionsAnnotation = "transitions"
)

// record is the leader's, as it stands in the annotations.
type record struct {
	Leader      string `json:"leader"`
	AcquireTime string `json:"acquireTime"`
	RenewTime   string `json:"renewTime"`
	TTL         string `json:"ttl"`
	Transitions string `json:"transitions"`
}

func recordOf(o *object) record {
	a := o.annotations()
	return record{
		Leader:      a[leaderAnnotation],
		AcquireTime: a[acquireTimeAnnotation],
		RenewTime:   a[renewTimeAnnotation],
		TTL:         a[ttlAnnotation],
		Transitions: a[transitionsAnnotation],
	}
}

// grant names what the record gives its holder.
func (r record) grant() string { return r.Transitions + "@" + r.AcquireTime }

// holder is whom the record names, be it expired or not; nil: nobody.
func (r record) holder() *dcs.Holder {
	if r.Leader == "" {
		return nil
	}
	return &dcs.Holder{Name: r.Leader, Grant: r.grant(), Lineage: r.grant()}
}

// lasts is how long the record counts without a change; ours where it doesn't say.
func (r record) lasts(ours time.Duration) time.Duration {
	if seconds, err := strconv.ParseFloat(r.TTL, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	return ours
}

// annotate is the patch that writes the record.
func (r record) annotate() map[string]any {
	return map[string]any{
		leaderAnnotation:      r.Leader,
		acquireTimeAnnotation: r.AcquireTime,
		renewTimeAnnotation:   r.RenewTime,
		ttlAnnotation:         r.TTL,
		transitionsAnnotation: r.Transitions,
	}
}

// succeed is the record by which name takes over from r. Its grant is another than
// r's, whatever the wall clock says.
func (r record) succeed(name, ttl string, now time.Time) record {
	transitions, err := strconv.Atoi(r.Transitions)
	switch {
	case err != nil:
		transitions = 0
	case r.Leader != name:
		transitions++
	}
	at := after(r.AcquireTime, now)
	return record{Leader: name, AcquireTime: at, RenewTime: at, TTL: ttl, Transitions: strconv.Itoa(transitions)}
}

// renew is the record that extends r.
func (r record) renew(ttl string, now time.Time) record {
	if r.TTL = ttl; r.RenewTime == "" {
		r.RenewTime = r.AcquireTime
	}
	r.RenewTime = after(r.RenewTime, now)
	return r
}

const timeFormat = "2006-01-02T15:04:05.000000+00:00"

// after is now, or a moment after the time before if that isn't in the past: no
// two records in a row may look the same.
func after(before string, now time.Time) string {
	if t, err := time.Parse(time.RFC3339Nano, before); err == nil && !now.Truncate(time.Microsecond).After(t) {
		now = t.Add(time.Microsecond)
	}
	return now.UTC().Format(timeFormat)
}
