package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/regent-ha/regent/config"
	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/rest"
)

// Options are what the program is run with. The zero value is the terminal, the
// environment's configuration and the machine's clock.
type Options struct {
	Release string // of the program

	In       io.Reader
	Out, Err io.Writer
	Env      []string // as os.Environ
	Now      func() time.Time

	// Scope is the cluster that is meant where none is named; empty: that of the
	// configuration.
	Scope string
	// Open opens the store of a cluster as an observer. Nil: the configured one.
	Open func(ctx context.Context, scope string) (dcs.DCS, error)
	// Client asks the members. Nil: as configured.
	Client *rest.Client
}

func (o Options) withDefaults() Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// program is one run of a command.
type program struct {
	o     Options
	in    *bufio.Reader
	flags struct {
		config, store string
		insecure      bool
	}
	config *config.Config // nil: not loaded yet
}

// New makes the root command. Execute it with Run, which knows the exit codes.
func New(o Options) *cobra.Command {
	o = o.withDefaults()
	p := &program{o: o, in: bufio.NewReader(o.In)}
	root := &cobra.Command{
		Use: "regentctl", Short: "Shows a cluster and asks its members for changes",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(o.In)
	root.SetOut(o.Out)
	root.SetErr(o.Err)
	f := root.PersistentFlags()
	f.StringVarP(&p.flags.config, "config-file", "c", "", "configuration `FILE` (PATRONICTL_CONFIG_FILE; default ~/.config/patroni/patronictl.yaml)")
	f.StringVarP(&p.flags.store, "dcs-url", "d", "", "the store, in place of the configured one: `scheme://host:port/namespace`, as etcd3://… or zookeeper://… (DCS_URL)")
	f.StringVar(&p.flags.store, "dcs", "", "the same as --dcs-url")
	f.BoolVarP(&p.flags.insecure, "insecure", "k", false, "don't verify the members' certificates")
	_ = f.MarkHidden("dcs")
	root.AddCommand(p.listCommand(), p.topologyCommand(), p.switchoverCommand(), p.failoverCommand(), p.restartCommand(), p.reloadCommand(),
		p.reinitCommand(), p.flushCommand(), p.historyCommand(), p.showConfigCommand(), p.editConfigCommand(), p.explainCommand(), p.versionCommand())
	return root
}

// Run runs the program with arguments and returns its exit code: 0 done, 1 not
// done, refused or given up, 2 called in a wrong way.
func Run(ctx context.Context, o Options, args []string) int {
	o = o.withDefaults()
	root := New(o)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	var failed *failure
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &failed):
		fmt.Fprintf(o.Err, "Usage: %s\nTry '%s --help' for help.\n\nError: %v\n", command.UseLine(), command.CommandPath(), err)
		return 2
	case errors.Is(err, errRefused):
	case errors.Is(err, errAborted), ctx.Err() != nil:
		fmt.Fprintln(o.Err, "Aborted!")
	default:
		fmt.Fprintf(o.Err, "Error: %v\n", err)
	}
	return 1
}

// failure is an error of a command that was called in the right way.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

var (
	// errRefused ends a command that has said itself what failed.
	errRefused = errors.New("refused")
	// errAborted ends a command whose question got no answer.
	errAborted = errors.New("aborted")
)

// wording is an error in patronictl's words, which begin with a capital.
func wording(format string, args ...any) error { return fmt.Errorf(format, args...) }

// command makes one whose errors are failures.
func command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := run(c.Context(), args); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
}

func (p *program) say(format string, args ...any) { fmt.Fprintf(p.o.Out, format+"\n", args...) }

// stamp is the present moment as it stands before results.
func (p *program) stamp() string { return p.o.Now().Format("2006-01-02 15:04:05.00000") }
