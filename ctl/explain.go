package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/rest"
)

// explanation is what GET /decisions answers.
type explanation struct {
	Name      string        `json:"name"`
	Decisions []ha.Decision `json:"decisions"`
}

func (p *program) explainCommand() *cobra.Command {
	last := 5
	var saved, replayed, rule string
	c := command("explain [flags] [CLUSTER_NAME] [MEMBER_NAME...]", "Say what the members decided last, and why", cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		switch {
		case rule != "" && saved == "":
			return errors.New("--rule says which decision to --save")
		case replayed != "" && len(args) > 0:
			return errors.New("--replay asks no cluster: it takes a file alone")
		case replayed != "":
			return p.replay(replayed)
		}
		name, members := "", []string(nil)
		if len(args) > 0 {
			name, members = args[0], args[1:]
		}
		s, err := p.open(ctx, name)
		if err != nil {
			return err
		}
		defer s.close()
		if saved != "" {
			return s.save(ctx, members, rule, saved)
		}
		return s.explain(ctx, members, last)
	})
	c.Flags().VarP(countValue{&last}, "last", "n", "how many decisions of each member")
	c.Flags().StringVar(&saved, "save", "", "write the member's last decision, with all that it was made from, to `FILE`")
	c.Flags().StringVar(&rule, "rule", "", "save the last decision by this `RULE`, the word in brackets")
	c.Flags().StringVar(&replayed, "replay", "", "decide what was saved in `FILE` once more, as this program does")
	c.MarkFlagsMutuallyExclusive("save", "replay", "last")
	return c
}

func (s *session) explain(ctx context.Context, names []string, last int) error {
	for _, name := range names {
		if _, ok := s.view.Member(name); !ok {
			return fmt.Errorf("%s is not a member of cluster", name)
		}
	}
	if leader := s.view.LeaderName(); leader == "" {
		s.say("Nobody leads cluster %s.", s.name)
	} else {
		s.say("%s leads cluster %s.", leader, s.name)
	}
	if f := s.view.Failover; f.Requested() {
		s.say("Requested: %s.", requested(f))
	}
	var failed error
	for _, m := range rest.NewOverview(s.name, s.view).Members {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		s.say("\n%s (%s, %s)", m.Name, strings.ToLower(title(m.Role)), m.State)
		if m.Problem != "" {
			s.say("  problem: %s", m.Problem)
		}
		if at := scheduled(m.ScheduledRestart); at != "" {
			s.say("  restart scheduled: %s", at)
		}
		e, err := s.decisions(ctx, m.Member, "/decisions")
		if err != nil {
			s.say("  %v", err)
			failed = errRefused
			continue
		}
		if len(e.Decisions) == 0 {
			s.say("  no decision yet")
		}
		for _, d := range e.Decisions[max(0, len(e.Decisions)-last):] {
			s.sayDecision(d)
		}
	}
	return failed
}

func requested(f dcs.Failover) string {
	text := "failover"
	if f.Leader != "" {
		text = "switchover from " + f.Leader
	}
	if f.Candidate != "" {
		text += " to " + f.Candidate
	}
	if !f.ScheduledAt.IsZero() {
		text += " at " + dcs.FormatTime(f.ScheduledAt)
	}
	return text
}

func (s *session) decisions(ctx context.Context, m dcs.Member, path string) (explanation, error) {
	reply, err := s.ask(ctx, askTimeout, http.MethodGet, m, path, nil)
	var e explanation
	switch {
	case err != nil:
		return e, fmt.Errorf("it can't be asked: %w", err)
	case m.Regent == "" && reply.Status != http.StatusOK:
		return e, fmt.Errorf("it can't explain itself: it is a member of Patroni %s", m.Version)
	case reply.Status != http.StatusOK:
		return e, fmt.Errorf("it answered %d", reply.Status)
	}
	if err := json.Unmarshal(reply.Body, &e); err != nil || e.Name == "" {
		return e, errors.New("it can't explain itself: what it answered are no decisions")
	}
	return e, nil
}

// sayDecision prints one: when, which rule, why, what was done, and who could
// lead.
func (p *program) sayDecision(d ha.Decision) {
	at := d.At.In(p.o.Now().Location()).Format("2006-01-02 15:04:05.000")
	often := ""
	if d.Repeated > 0 {
		often = fmt.Sprintf(", %d times since", d.Repeated+1)
	}
	p.say("  %s  %s  [%s%s]", at, d.Reason, d.Rule, often)
	indent := strings.Repeat(" ", len(time.DateTime)+len(".000")+4)
	for _, action := range d.Actions {
		p.say("%sdid: %s", indent, action)
	}
	for _, v := range d.Verdicts {
		verdict := "can't lead"
		if v.Fit {
			verdict = "could lead"
		}
		if v.Reason != verdict {
			verdict += ": " + v.Reason
		}
		p.say("%s%s %s", indent, v.Member, verdict)
	}
}
