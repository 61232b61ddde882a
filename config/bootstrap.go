package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/postgres"
)

// Bootstrap says how a new cluster is made. It counts only while there is none.
type Bootstrap struct {
	DCS           map[string]any   // becomes the dynamic configuration; see NewCluster
	Method        *postgres.Method // nil: initdb
	Initdb        []string         // options, as "--name=value"
	PgHBA         []string         // lines appended to pg_hba.conf
	PostBootstrap string           // a command, run once in the new cluster
}

// NewCluster is the dynamic configuration to begin a cluster with: bootstrap.dcs,
// and failsafe_mode on unless that says otherwise.
func (b *Bootstrap) NewCluster() map[string]any {
	values := map[string]any{"failsafe_mode": true}
	maps.Copy(values, b.DCS)
	return values
}

// initdbReserved are options of initdb that are ours to give.
var initdbReserved = []string{"pgdata", "nosync", "pwfile", "sync-only", "version"}

func parseBootstrap(s *section) *Bootstrap {
	if !s.present {
		return nil
	}
	b := &Bootstrap{
		DCS:           s.sub("dcs").values,
		Initdb:        s.options("initdb", initdbReserved),
		PgHBA:         s.list("pg_hba"),
		PostBootstrap: s.text("post_bootstrap", s.text("post_init", "")),
	}
	if name := s.text("method", "initdb"); name != "initdb" {
		sub := s.sub(name)
		if !sub.present {
			s.bad("method", "%q is not allowed: initdb, or the name of a section of bootstrap", name)
		} else if m := sub.method(name); m != nil {
			b.Method = m
		}
	}
	if _, given := s.take("users"); given {
		s.warn(s.key("users"), "isn't supported, no roles are made: use post_bootstrap")
	}
	b.checkDCS(s)
	s.takeMethods()
	s.rest()
	return b
}

// checkDCS finds in bootstrap.dcs what would be refused once it is in the store.
func (b *Bootstrap) checkDCS(s *section) {
	if len(b.DCS) == 0 {
		return
	}
	if _, err := json.Marshal(b.DCS); err != nil {
		s.bad("dcs", "can't be written as JSON: %v", err)
	}
	pg := newSection(s.key("dcs.postgresql"), b.DCS["postgresql"], s.report)
	settings := pg.shared(false)
	readParameters(pg, nil, pg.values["parameters"], &settings)
	for _, name := range localOnly {
		if _, given := pg.take(name); given {
			s.warn(pg.key(name), onlyLocal)
		}
	}
	pg.rest()
	_, warnings, err := ha.ParseSettings(b.DCS, ha.ShortFloors())
	for _, w := range warnings {
		addLine(&s.warnings, s.key("dcs"), w)
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			addLine(&s.problems, s.key("dcs"), line)
		}
	}
}

// addLine adds a "key: text" that was found below path.
func addLine(to *[]Problem, path, line string) {
	key, text, _ := strings.Cut(line, ": ")
	if path != "" {
		key = path + "." + key
	}
	*to = append(*to, Problem{key, text})
}

// takeMethods takes sections that look like methods: others may name them.
func (s *section) takeMethods() {
	for _, name := range s.names() {
		if m, ok := s.values[name].(map[string]any); ok && m["command"] != nil && !slices.Contains(methodSwitches, name) {
			s.take(name)
		}
	}
}
