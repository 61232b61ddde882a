package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/internal/value"
	"github.com/regent-ha/regent/postgres"
)

// methodSwitches are the keys of a method that aren't passed on to its command.
var methodSwitches = []string{"command", "no_params", "no_leader", "no_master", "keep_data", "keep_existing_recovery_conf", "recovery_conf"}

// method reads a section that describes a command which makes a data directory.
func (s *section) method(name string) *postgres.Method {
	m := &postgres.Method{
		Name:                     name,
		Command:                  s.text("command", ""),
		NoParams:                 s.flag("no_params", false),
		NoLeader:                 s.flag("no_leader", s.flag("no_master", false)),
		KeepData:                 s.flag("keep_data", false),
		KeepExistingRecoveryConf: s.flag("keep_existing_recovery_conf", false),
		RecoveryConf:             s.table("recovery_conf"),
	}
	for _, key := range s.names() {
		v, given := s.take(key)
		if slices.Contains(methodSwitches, key) || !given {
			continue
		}
		t, err := value.Text(v)
		if err != nil {
			s.bad(key, "%v", err)
			continue
		}
		if on, isSwitch := v.(bool); isSwitch {
			t = strconv.FormatBool(on)
		}
		m.Args = append(m.Args, "--"+key+"="+t)
	}
	if !s.present {
		return nil
	}
	if m.Command == "" {
		if !s.failed() {
			s.bad("command", "missing")
		}
		return nil
	}
	return m
}

// options reads options for a program: a list of names and of single-entry maps,
// or one map. A name with nothing or with true as its value stands alone.
func (s *section) options(name string, reserved []string) []string {
	v, given := s.take(name)
	if !given {
		return nil
	}
	var args []string
	add := func(at, option string, v any) {
		option = strings.TrimPrefix(option, "--")
		bare, _, _ := strings.Cut(option, "=")
		text, err := value.Text(v)
		switch {
		case slices.Contains(reserved, bare):
			s.bad(at, "the option %q is not allowed here", bare)
		case v == nil || v == true:
			args = append(args, "--"+option)
		case v == false:
		case err != nil:
			s.bad(at+"."+bare, "%v", err)
		default:
			args = append(args, "--"+option+"="+text)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, option := range newSection("", v, s.report).names() {
			add(name, option, v[option])
		}
	case []any:
		for i, item := range v {
			at := fmt.Sprintf("%s[%d]", name, i)
			switch item := item.(type) {
			case string:
				add(at, item, nil)
			case map[string]any:
				for _, option := range newSection("", item, s.report).names() {
					add(at, option, item[option])
				}
			default:
				s.bad(at, "%s is not allowed: the name of an option or name: value", value.Show(item))
			}
		}
	default:
		s.bad(name, "%s is not allowed: a list or a map of options is", value.Show(v))
	}
	return args
}
