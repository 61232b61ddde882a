package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regent-ha/regent/clock"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/etcd"
)

// readAnyway is how many loop_wait pass at most between two reads, as in ha.
const readAnyway = 10

// member sends what the agent of a healthy member sends, on a connection of its own.
type member struct {
	run     *run
	cluster int
	name    string
	client  *dcs.Client
	hints   <-chan struct{}
	phase   time.Duration // of its cycles

	leads    bool
	lease    dcs.Lease
	position uint64
	status   dcs.Version
	readAt   clock.Instant
	stale    bool // a hint says that there may be news
}

func (r *run) open(cluster, number int) (*member, error) {
	m := &member{run: r, cluster: cluster, name: fmt.Sprintf("node%d", number), leads: number == 0, position: 1 << 32}
	all := r.options.Clusters * r.options.Members
	m.phase = r.options.LoopWait * time.Duration(cluster*r.options.Members+number) / time.Duration(all)
	d, err := etcd.Open(etcd.Options{
		Endpoints: []string{r.server.addr}, Path: dcs.Path{Scope: fmt.Sprintf("cluster%04d", cluster)},
		Name: m.name, TTL: r.options.TTL, Discover: 10 * time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	m.client = dcs.NewClient(d, dcs.ClientOptions{RequestTimeout: r.options.TTL / 3})
	return m, nil
}

// begin makes the member part of its cluster.
func (m *member) begin(ctx context.Context) error {
	m.hints = m.client.Watch(ctx)
	select {
	case <-m.hints:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := m.client.Touch(ctx, m.entry()); err != nil {
		return err
	}
	if !m.leads {
		return m.read(ctx)
	}
	if _, err := m.client.PutInitialize(ctx, fmt.Sprintf("70000000000000%05d", m.cluster), dcs.Absent); err != nil {
		return err
	}
	config := map[string]any{"ttl": int(m.run.options.TTL.Seconds()), "loop_wait": int(m.run.options.LoopWait.Seconds()),
		"postgresql": map[string]any{"use_pg_rewind": true, "use_slots": true, "parameters": map[string]any{"wal_log_hints": "on", "max_connections": 100}}}
	if _, err := m.client.PutConfig(ctx, config, dcs.Absent); err != nil {
		return err
	}
	var err error
	if m.lease, err = m.client.Acquire(ctx); err != nil {
		return err
	}
	if m.lease, err = m.client.Renew(ctx, m.lease, m.written(dcs.Any)); err != nil {
		return err
	}
	return m.read(ctx)
}

// live goes on until ctx ends: a cycle at each loop_wait, a read at each hint.
func (m *member) live(ctx context.Context) {
	next := time.NewTimer(m.phase)
	defer next.Stop()
	due := time.Now().Add(m.phase)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.hints:
			m.stale = true
			m.measure(&m.run.reads, func() error { return m.read(ctx) })
		case <-next.C:
			m.cycle(ctx)
			due = due.Add(m.run.options.LoopWait)
			next.Reset(time.Until(due))
		}
	}
}

func (m *member) cycle(ctx context.Context) {
	writing := m.run.writing.Load()
	if writing {
		m.position += 1 << 16
	}
	if m.readDue() {
		m.measure(&m.run.reads, func() error { return m.read(ctx) })
	}
	if m.leads {
		m.measure(&m.run.renewals, func() error { return m.renew(ctx, writing) })
	}
	m.measure(&m.run.touches, func() error { return m.client.Touch(ctx, m.entry()) })
}

// readDue is ha's rule: not while the watch proves that nothing has changed.
func (m *member) readDue() bool {
	now, o := m.run.clock.Now(), m.run.options
	from, until := m.client.Quiet()
	quiet := !from.IsZero() && !m.readAt.Before(from) &&
		now.Before(until.Add(max(o.LoopWait, o.TTL/2))) && now.Before(m.readAt.Add(readAnyway*o.LoopWait))
	return m.stale || !quiet && !now.Before(m.readAt.Add(o.LoopWait))
}

func (m *member) read(ctx context.Context) error {
	c, err := m.client.Read(ctx)
	if err != nil {
		return err
	}
	m.readAt, m.stale, m.status = c.Sent, false, c.Status.Version
	return nil
}

func (m *member) renew(ctx context.Context, writing bool) error {
	var docs []dcs.Write
	if writing {
		docs = append(docs, m.written(m.status))
	}
	lease, err := m.client.Renew(ctx, m.lease, docs...)
	switch {
	case errors.Is(err, dcs.ErrLost):
		m.run.lost.Add(1)
		var failed error
		if lease, failed = m.client.Acquire(ctx); failed == nil {
			m.lease = lease
		}
	case err == nil || errors.Is(err, dcs.ErrConflict):
		m.lease = lease
	}
	return err
}

// written is the status as a leader with two standbys has it.
func (m *member) written(prev dcs.Version) dcs.Write {
	s := dcs.Status{Optime: m.position, Slots: map[string]uint64{}}
	for i := range m.run.options.Members {
		name := fmt.Sprintf("node%d", i)
		s.Slots[name], s.RetainSlots = m.position, append(s.RetainSlots, name)
	}
	value, err := s.MarshalJSON()
	if err != nil {
		panic("load: a status that can't be written: " + err.Error())
	}
	return dcs.Write{Key: dcs.StatusKey, Value: value, Prev: prev}
}

func (m *member) entry() dcs.Member {
	e := dcs.Member{
		ConnURL: "postgres://" + m.name + ".example.com:5432/postgres", APIURL: "http://" + m.name + ".example.com:8008/patroni",
		State: "running", Role: "replica", Version: "4.1.4", Regent: "load", Location: m.position, Timeline: 1,
		ReplayLSN: m.position, ReceiveLSN: m.position, ReplicationState: "streaming",
	}
	if m.leads {
		e.Role, e.ReplayLSN, e.ReceiveLSN, e.ReplicationState = "primary", 0, 0, ""
	}
	return e
}

// measure notes how long something took, in a phase that is measured.
func (m *member) measure(l *latencies, do func() error) {
	began := time.Now()
	err := do()
	if m.run.measuring.Load() {
		l.add(time.Since(began), err)
	}
}
