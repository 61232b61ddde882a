package ctl

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/internal/jsontext"
	"github.com/regent-ha/regent/rest"
)

// reinit is how replicas are to be made anew.
type reinit struct {
	choice
	fromLeader, wait bool
}

func (p *program) reinitCommand() *cobra.Command {
	q := reinit{choice: choice{action: "reinitialize", role: "replica"}}
	c := command("reinit [flags] CLUSTER_NAME [MEMBER_NAME...]", "Make replicas anew from a copy", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		q.names = args[1:]
		return p.reinit(ctx, args[0], q)
	})
	c.Flags().BoolVar(&q.force, "force", false, "don't ask anything, and cancel what is under way there")
	c.Flags().BoolVar(&q.fromLeader, "from-leader", false, "copy from the leader")
	c.Flags().BoolVar(&q.wait, "wait", false, "wait until it is done")
	return c
}

func (p *program) reinit(ctx context.Context, cluster string, q reinit) error {
	s, err := p.open(ctx, cluster)
	if err != nil {
		return err
	}
	defer s.close()
	members, err := s.chooseSurely(ctx, q.choice)
	if err != nil {
		return err
	}
	var begun []dcs.Member
	for _, m := range members {
		ok, err := s.reinitOne(ctx, q, m)
		if err != nil {
			return err
		}
		if ok {
			begun = append(begun, m)
		}
	}
	if q.wait {
		err = s.awaitReplicas(ctx, slices.Clone(begun))
	}
	if err == nil && len(begun) < len(members) {
		err = errRefused
	}
	return err
}

// reinitOne asks one member, and again with force if that is wanted.
func (s *session) reinitOne(ctx context.Context, q reinit, m dcs.Member) (bool, error) {
	for force := q.force; ; force = true {
		body := &jsontext.Object{}
		body.Set("force", force)
		body.Set("from_leader", q.fromLeader)
		reply, err := s.ask(ctx, 0, http.MethodPost, m, "/reinitialize", body)
		if err == nil && reply.Status == http.StatusOK {
			s.say("Success: reinitialize for member %s", m.Name)
			return true, nil
		}
		s.say("Failed: reinitialize for member %s, %s", m.Name, outcome(reply, err))
		if force || !strings.HasSuffix(reply.Text(), "already in progress") {
			return false, nil
		}
		if sure, err := s.confirm(ctx, "Do you want to cancel it and reinitialize anyway?"); err != nil || !sure {
			return false, err
		}
	}
}

const replicaPoll = 2 * time.Second

// awaitReplicas waits until none of the members says any more that it is being
// made. One that can't be reached is asked again.
func (s *session) awaitReplicas(ctx context.Context, waiting []dcs.Member) error {
	for said := 0; len(waiting) > 0; {
		if said != len(waiting) {
			said = len(waiting)
			names := make([]string, 0, said)
			for _, m := range waiting {
				names = append(names, m.Name)
			}
			s.say("Waiting for reinitialize to complete on: %s", strings.Join(names, ", "))
		}
		if err := sleep(ctx, replicaPoll); err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(m dcs.Member) bool {
			status, err := s.status(ctx, m)
			if err != nil || status.State == "creating replica" {
				return false
			}
			s.say("Reinitialize is completed on: %s", m.Name)
			return true
		})
	}
	return nil
}

func (s *session) status(ctx context.Context, m dcs.Member) (rest.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.client.Status(ctx, m.APIURL)
}
