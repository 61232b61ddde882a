package ctl

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) historyCommand() *cobra.Command {
	format := formatPretty
	c := command("history [flags] [CLUSTER_NAME]", "Show where the timelines of a cluster ended", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		s, err := p.open(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		defer s.close()
		t := &table{
			columns:   []column{{title: "TL", right: true}, {title: "LSN", right: true}, {title: "Reason"}, {title: "Timestamp"}, {title: "New Leader"}},
			keepEmpty: true,
		}
		for _, l := range s.view.History.Lines {
			t.add(l.Timeline, l.LSN, l.Reason, l.Timestamp, l.Leader)
		}
		return t.write(p.o.Out, format)
	})
	c.Flags().VarP(oneOf(&format, formats...), "format", "f", "`FORMAT`: "+strings.Join(formats, ", "))
	return c
}
