package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/internal/value"
	"github.com/regent-ha/regent/postgres"
)

// Settings are what a member works with: the cluster's configuration and its own.
type Settings struct {
	Cluster    ha.Settings
	PostgreSQL postgres.Settings
}

// Effective merges the cluster's dynamic configuration, as it was decoded from
// the store, with the local one. A nil dynamic means that there is none yet: what
// a new cluster would begin with is taken then.
//
// Of "postgresql" the local value of a key counts where both have one; the
// parameters are merged by their names, which know no case. Parameters that must
// be equal on all members are taken from the dynamic configuration alone; values
// of theirs that PostgreSQL or a cluster can't work with are replaced by their
// default, with a warning. Warnings that Load gave aren't given again.
func (c *Config) Effective(dynamic map[string]any, floors ha.Floors) (Settings, []Warning, error) {
	if dynamic == nil && c.Bootstrap != nil {
		dynamic = c.Bootstrap.NewCluster()
	}
	r := &report{}
	var s Settings
	s.Cluster = clusterSettings(dynamic, floors, r)
	local, _ := c.local.values["postgresql"].(map[string]any)
	shared := sharedPart(dynamic, r)
	merged := maps.Clone(shared)
	maps.Copy(merged, local)
	if v, ok := shared["use_slots"]; ok {
		merged["use_slots"] = v
	} else {
		delete(merged, "use_slots")
	}
	section := newSection("postgresql", merged, r)
	for name := range local {
		section.asked[name] = true // Load has judged it
	}
	s.PostgreSQL = section.shared(true)
	c.own(section, &s.PostgreSQL)
	readParameters(section, local["parameters"], shared["parameters"], &s.PostgreSQL)
	section.rest()
	if s.Cluster.SynchronousMode != ha.SynchronousOff {
		delete(s.PostgreSQL.Parameters, "synchronous_standby_names")
	}
	warnings, err := r.result()
	warnings = slices.DeleteFunc(warnings, func(w Warning) bool { return slices.Contains(c.warnings, w) })
	if err != nil {
		return Settings{}, warnings, err
	}
	return s, warnings, nil
}

func clusterSettings(dynamic map[string]any, floors ha.Floors, r *report) ha.Settings {
	s, warnings, err := ha.ParseSettings(dynamic, floors)
	for _, line := range warnings {
		addLine(&r.warnings, "", line)
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			addLine(&r.problems, "", line)
		}
	}
	return s
}

const onlyLocal = "ignored in the cluster's configuration: each member has its own"

// sharedPart is "postgresql" of the dynamic configuration without what only a
// member can say.
func sharedPart(dynamic map[string]any, r *report) map[string]any {
	shared, ok := dynamic["postgresql"].(map[string]any)
	if v := dynamic["postgresql"]; v != nil && !ok {
		r.refuse("postgresql", "%s is not allowed: a map is", value.Show(v))
	}
	shared = maps.Clone(shared)
	if shared == nil {
		shared = map[string]any{}
	}
	for _, name := range localOnly {
		if shared[name] != nil {
			r.warn("postgresql."+name, onlyLocal)
		}
		delete(shared, name)
	}
	return shared
}
