package ctl

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) showConfigCommand() *cobra.Command {
	return command("show-config [CLUSTER_NAME]", "Show the dynamic configuration of a cluster", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		s, err := p.open(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		defer s.close()
		text, err := s.configText(s.view.Config.Values)
		if err != nil {
			return err
		}
		p.say("%s", text)
		return nil
	})
}

// configText is the configuration for people, its keys sorted.
func (s *session) configText(values map[string]any) (string, error) {
	if values == nil {
		values = map[string]any{}
	}
	return yamlText(values)
}
