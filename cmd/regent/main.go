// Command regent keeps one PostgreSQL server in its place in a cluster: it is
// the agent that runs beside the server.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/fence"
	"github.com/regent-ha/regent/internal/lab"
)

// version is set by the linker in releases.
var version = "0.1.0-dev"

func main() {
	fence.Main()
	lab.Main()
	root := &cobra.Command{
		Use:           "regent",
		Short:         "High availability for PostgreSQL: the agent beside one server",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(runCommand(), validateCommand(), demoCommand())
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "regent:", err)
		os.Exit(1)
	}
}
