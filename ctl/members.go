package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
)

// choice is which members a command is for.
type choice struct {
	action string // restart, reload, reinitialize
	names  []string
	role   string // empty: any
	force  bool
}

// roles that members can be chosen by.
var roles = []string{"leader", "primary", "standby-leader", "replica", "standby", "any"}

func (q *choice) flags(c *cobra.Command) {
	c.Flags().VarP(oneOf(&q.role, roles...), "role", "r", "only members of this `ROLE`: "+strings.Join(roles, ", "))
	c.Flags().BoolVar(&q.force, "force", false, "don't ask anything")
}

// choose finds the members, and asks for them where that is needed.
func (s *session) choose(ctx context.Context, q choice) ([]dcs.Member, error) {
	var able []dcs.Member
	var names []string
	for _, m := range s.view.Members {
		if s.hasRole(m, q.role) {
			able, names = append(able, m), append(names, m.Name)
		}
	}
	if len(q.names) == 0 && len(able) == 0 {
		return nil, fmt.Errorf("%s cluster doesn't have any members", s.name)
	}
	if !q.force || q.role != "" {
		if err := s.list(formatPretty, false); err != nil {
			return nil, err
		}
	}
	wanted, err := s.wanted(ctx, q, names)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(able, func(m dcs.Member) bool { return !slices.Contains(wanted, m.Name) }), nil
}

// chooseSurely is choose, and asks whether it is meant.
func (s *session) chooseSurely(ctx context.Context, q choice) ([]dcs.Member, error) {
	members, err := s.choose(ctx, q)
	if err == nil {
		err = s.confirmMembers(ctx, q, members, "")
	}
	return members, err
}

// wanted is which of the members in names are meant. Among several names those
// that fit count.
func (s *session) wanted(ctx context.Context, q choice, names []string) ([]string, error) {
	if len(q.names) > 0 {
		fit := slices.DeleteFunc(slices.Clone(q.names), func(name string) bool { return !slices.Contains(names, name) })
		if len(fit) == 0 {
			role := q.role
			if role == "" {
				role = "any"
			}
			return nil, wording("No '%s' among provided members", role)
		}
		return fit, nil
	}
	if q.action != "reinitialize" {
		return names, nil
	}
	if q.force {
		return nil, errors.New("--force needs the names of the members to reinitialize")
	}
	name, err := s.prompt(ctx, fmt.Sprintf("Which member do you want to %s [%s]?", q.action, strings.Join(names, ", ")), "")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("%s is not a member of cluster", name)
	}
	return []string{name}, nil
}

func (s *session) hasRole(m dcs.Member, role string) bool {
	leads := m.Name == s.view.LeaderName()
	switch role {
	case "leader":
		return leads
	case "primary":
		return leads && !s.settings().Standby()
	case "standby-leader":
		return leads && s.settings().Standby()
	case "replica", "standby":
		return !leads
	}
	return true
}

// confirmMembers asks whether it is meant.
func (s *session) confirmMembers(ctx context.Context, q choice, members []dcs.Member, at string) error {
	if q.force {
		return nil
	}
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.Name)
	}
	question := fmt.Sprintf("Are you sure you want to %s members %s?", q.action, strings.Join(names, ", "))
	aborted := "Aborted " + q.action
	if at != "" {
		question = fmt.Sprintf("Are you sure you want to schedule %s of members %s at %s?", q.action, strings.Join(names, ", "), at)
		aborted = "Aborted scheduled " + q.action
	}
	sure, err := s.confirm(ctx, question)
	if err == nil && !sure {
		err = errors.New(aborted)
	}
	return err
}
