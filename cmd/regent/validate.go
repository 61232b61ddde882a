package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/config"
)

func validateCommand() *cobra.Command {
	var ignoreListenPort bool
	c := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a configuration against this machine, one line for each problem",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			problems, warnings := config.Validate(cmd.Context(), args[0], os.Environ(), ignoreListenPort)
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p)
			}
			if len(problems) > 0 {
				return fmt.Errorf("%s has %d problems", args[0], len(problems))
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&ignoreListenPort, "ignore-listen-port", "i", false, "don't mind ports that are in use: the agent already runs")
	return c
}
