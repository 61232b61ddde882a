package dcstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
)

// model does the same random operations on the store and on memory: both must
// give the same answers.
func (s *suite) model(t *testing.T) {
	const runs, steps = 8, 80
	seeds := make([]uint64, runs)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	if text := os.Getenv("REGENT_DCSTEST_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("REGENT_DCSTEST_SEED is %q: it must be a whole number", text)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		s.in(t, fmt.Sprintf("seed %d", seed), func(c *cluster) {
			m := newModel(c, seed)
			for i := range steps {
				if op, want, got := m.step(); got != want {
					c.Fatalf("step %d, %s:\nthe store: %s\nmemory:    %s\nso far:\n%s\nagain: REGENT_DCSTEST_SEED=%d",
						i, op, got, want, strings.Join(m.log, "\n"), seed)
				}
			}
		})
	}
}

// model is the same cluster twice.
type model struct {
	*cluster
	random *rand.Rand
	stores [2]*modelStore // memory, the store
	log    []string
}

// modelStore is one of the two. Leases and versions differ between them: those
// that were got in the same step stand at the same index.
type modelStore struct {
	handles  map[string]dcs.DCS
	leases   []dcs.Lease
	versions map[dcs.Key][]dcs.Version
}

var (
	modelMembers = []string{"a", "b", "c"}
	modelKeys    = []dcs.Key{dcs.ConfigKey, dcs.FailoverKey, dcs.StatusKey, dcs.SyncKey}
)

func newModel(c *cluster, seed uint64) *model {
	m := &model{cluster: c, random: rand.New(rand.NewPCG(seed, 0))}
	reference := memory.NewStore(c.suite.Clock)
	for i := range m.stores {
		handles := map[string]dcs.DCS{}
		for _, name := range append([]string{""}, modelMembers...) {
			if i == 1 {
				handles[name] = c.open(name, long)
				continue
			}
			d, err := reference.Open(memory.Options{Path: c.path, Name: name, TTL: long, Promise: c.suite.lasts})
			c.must("open memory", err)
			handles[name] = d
		}
		m.stores[i] = &modelStore{handles, []dcs.Lease{{ID: "never"}}, map[dcs.Key][]dcs.Version{}}
		for _, key := range modelKeys {
			m.stores[i].versions[key] = []dcs.Version{dcs.Absent, dcs.Any}
		}
	}
	for _, s := range m.stores {
		c.must("Put", m.found(s))
	}
	return m
}

// found makes a cluster be there where one that isn't says nothing of a lease. What
// a store says then is a test of its own.
func (m *model) found(s *modelStore) error {
	if !m.suite.GoneIsUnknown {
		return nil
	}
	v, err := s.handles[""].Put(m.ctx, dcs.Write{Key: dcs.ConfigKey, Value: []byte("{}"), Prev: dcs.Any})
	s.versions[dcs.ConfigKey] = append(s.versions[dcs.ConfigKey], v)
	return err
}

// operation is done on each of the two stores with the same indices.
type operation struct {
	name string
	do   func(s *modelStore) string
}

func (m *model) step() (op, memory, store string) {
	o := m.choose()
	memory = o.do(m.stores[0]) + "; " + m.state(m.stores[0])
	store = o.do(m.stores[1]) + "; " + m.state(m.stores[1])
	m.log = append(m.log, o.name+": "+memory)
	return o.name, memory, store
}

func (m *model) choose() operation {
	name := modelMembers[m.random.IntN(len(modelMembers))]
	lease := m.recent(len(m.stores[0].leases))
	writes := m.writes()
	switch n := m.random.IntN(100); {
	case n < 20:
		return operation{name + " acquires", func(s *modelStore) string {
			before := m.claimable(s)
			l, err := s.handles[name].AttemptToAcquireLeader(m.ctx)
			if err == nil {
				m.claimed(s, before)
			}
			return s.keep(l, err)
		}}
	case n < 45:
		return operation{fmt.Sprintf("%s renews lease %d with %v", name, lease, writes), func(s *modelStore) string {
			return s.keep(s.handles[name].UpdateLeader(m.ctx, s.leases[lease], s.translate(writes)...))
		}}
	case n < 55:
		return operation{fmt.Sprintf("%s releases lease %d with %v", name, lease, writes), func(s *modelStore) string {
			return outcome(s.handles[name].ReleaseLeader(m.ctx, s.leases[lease], s.translate(writes)...))
		}}
	case n < 65:
		return operation{fmt.Sprintf("%s resumes lease %d", name, lease), func(s *modelStore) string {
			return s.keep(s.handles[name].ResumeLeader(m.ctx, s.leases[lease].ID))
		}}
	case n < 72:
		state := fmt.Sprint("state ", m.random.IntN(3))
		return operation{name + " touches " + state, func(s *modelStore) string {
			return outcome(s.handles[name].Touch(m.ctx, dcs.Member{State: state}))
		}}
	case n < 76:
		return operation{name + " is deleted", func(s *modelStore) string {
			return outcome(s.handles[""].Delete(m.ctx, dcs.MemberKey(name), dcs.Any))
		}}
	case n < 78:
		return operation{"the cluster is removed", func(s *modelStore) string {
			err := s.handles[""].RemoveCluster(m.ctx)
			if err == nil {
				err = m.found(s)
			}
			return outcome(err)
		}}
	}
	return operation{fmt.Sprintf("%s puts %v", name, writes[0]), func(s *modelStore) string {
		w := s.translate(writes[:1])[0]
		v, err := s.handles[name].Put(m.ctx, w)
		if err == nil {
			s.versions[w.Key] = append(s.versions[w.Key], v)
		}
		return outcome(err)
	}}
}

// claimable are the documents that an acquire may give new versions.
func (m *model) claimable(s *modelStore) map[dcs.Key]dcs.Document {
	before := map[dcs.Key]dcs.Document{}
	if m.suite.ClaimsDocuments {
		all := m.read(s.handles[""]).Documents
		for _, key := range []dcs.Key{dcs.StatusKey, dcs.SyncKey} {
			if doc, ok := all[key]; ok {
				before[key] = doc
			}
		}
	}
	return before
}

// claimed puts the new version of a document, whose value must be the same, in the
// place of the one before.
func (m *model) claimed(s *modelStore, before map[dcs.Key]dcs.Document) {
	for key, old := range before {
		now, ok := m.read(s.handles[""]).Documents[key]
		if !ok || string(now.Value) != string(old.Value) {
			m.Errorf("an acquire made %q of the document %s, which was %q", now.Value, key, old.Value)
		}
		if i := slices.Index(s.versions[key], old.Version); i >= 0 {
			s.versions[key][i] = now.Version
		}
	}
}

// recent picks one of n things, mostly one of the last.
func (m *model) recent(n int) int { return max(0, n-1-int(m.random.ExpFloat64()*1.5)) }

// modelWrite is a write whose condition is an index.
type modelWrite struct {
	key   dcs.Key
	value string // "nil": delete
	prev  int
}

func (m *model) writes() (writes []modelWrite) {
	keys := slices.Clone(modelKeys)
	m.random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys[:1+m.random.IntN(2)] {
		value := fmt.Sprint(m.random.IntN(3))
		if m.random.IntN(5) == 0 {
			value = "nil"
		}
		prev := m.random.IntN(2) // Absent, Any
		if m.random.IntN(2) == 0 {
			prev = m.recent(len(m.stores[0].versions[key]))
		}
		writes = append(writes, modelWrite{key, value, prev})
	}
	return writes
}

func (s *modelStore) translate(writes []modelWrite) (out []dcs.Write) {
	for _, w := range writes {
		write := dcs.Write{Key: w.key, Prev: s.versions[w.key][w.prev]}
		if w.value != "nil" {
			write.Value = []byte(w.value)
		}
		out = append(out, write)
	}
	return out
}

// keep remembers a lease that was given, and says how it relates to earlier ones.
func (s *modelStore) keep(l dcs.Lease, err error) string {
	if err != nil && !errors.Is(err, dcs.ErrConflict) {
		return outcome(err)
	}
	grant := slices.IndexFunc(s.leases, func(old dcs.Lease) bool { return old.ID == l.ID })
	s.leases = append(s.leases, l)
	return fmt.Sprintf("%s, first seen as lease %d, for %v", outcome(err), grant, l.For)
}

func outcome(err error) string {
	var refused *dcs.RefusedError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused) && refused.Holder != nil:
		return fmt.Sprintf("%v by %s", refused.Err, refused.Holder.Name)
	case errors.As(err, &refused):
		return fmt.Sprintf("%v by nobody", refused.Err)
	case errors.Is(err, dcs.ErrConflict):
		return "conflict"
	}
	return err.Error()
}

func isDefinite(err error) bool {
	return errors.Is(err, dcs.ErrHeld) || errors.Is(err, dcs.ErrLost) || errors.Is(err, dcs.ErrConflict)
}

// state is all that a Read shows, with what differs between stores as an index.
func (m *model) state(s *modelStore) string {
	snapshot := m.read(s.handles[""])
	var lines []string
	for key, doc := range snapshot.Documents {
		lines = append(lines, fmt.Sprintf("%s=%s at %d", key, doc.Value, slices.Index(s.versions[key], doc.Version)))
	}
	slices.Sort(lines)
	// Versions that leaders' writes made are learnt by reading.
	for _, key := range modelKeys {
		if doc, ok := snapshot.Documents[key]; ok && !slices.Contains(s.versions[key], doc.Version) {
			s.versions[key] = append(s.versions[key], doc.Version)
		}
	}
	leader := "nobody"
	if h := snapshot.Leader; h != nil {
		grant := slices.IndexFunc(s.leases, func(l dcs.Lease) bool { return l.ID == h.Grant })
		leader = fmt.Sprintf("%s by lease %d", h.Name, grant)
	}
	return leader + " leads; " + strings.Join(lines, ", ")
}
