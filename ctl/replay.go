package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/regent-ha/regent/ha"
)

// save writes the last decision of a member to a file, or the last by a rule,
// with all that it was made from.
func (s *session) save(ctx context.Context, names []string, rule, file string) error {
	if len(names) != 1 {
		return errors.New("--save takes one cluster and one member: regentctl explain --save FILE CLUSTER_NAME MEMBER_NAME")
	}
	m, ok := s.view.Member(names[0])
	if !ok {
		return fmt.Errorf("%s is not a member of cluster", names[0])
	}
	e, err := s.decisions(ctx, m, "/decisions?views")
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	var last *ha.Decision
	for i, d := range e.Decisions {
		if len(d.View) > 0 && (rule == "" || d.Rule == rule) {
			last = &e.Decisions[i]
		}
	}
	switch {
	case last == nil && rule != "":
		return fmt.Errorf("%s remembers no decision by rule %s with what it was made from", m.Name, rule)
	case last == nil:
		return fmt.Errorf("%s remembers no decision with what it was made from", m.Name)
	}
	if err := writeDecision(file, *last); err != nil {
		return fmt.Errorf("save the decision: %w", err)
	}
	s.say("%s, saved in %s:", m.Name, file)
	s.sayDecision(*last)
	return nil
}

// writeDecision makes a file that isn't there yet.
func writeDecision(file string, d ha.Decision) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Close())
}

// replay decides what was saved once more. It needs no store and no member, and
// ends as refused if the decision is another one.
func (p *program) replay(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read a saved decision: %w", err)
	}
	var then ha.Decision
	if err := json.Unmarshal(text, &then); err != nil {
		return fmt.Errorf("%s holds no saved decision: %w", file, err)
	}
	now, err := ha.Replay(then)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p.say("%s, then, by regent %s:", now.Member, now.Release)
	p.sayDecision(then)
	if same(then, now.Decision) {
		p.say("regentctl %s decides the same.", p.o.Release)
		return nil
	}
	p.say("regentctl %s decides otherwise:", p.o.Release)
	p.sayDecision(now.Decision)
	return errRefused
}

// same compares what was decided, whenever that was and however often.
func same(a, b ha.Decision) bool {
	return a.Rule == b.Rule && a.Reason == b.Reason &&
		(len(a.Actions) == 0 && len(b.Actions) == 0 || reflect.DeepEqual(a.Actions, b.Actions)) &&
		(len(a.Verdicts) == 0 && len(b.Verdicts) == 0 || reflect.DeepEqual(a.Verdicts, b.Verdicts))
}
