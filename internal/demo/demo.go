package demo

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/regent-ha/regent/internal/lab"
)

// startTimeout bounds the start of the cluster; it is far quicker.
const startTimeout = 2 * time.Minute

// Run shows the cluster until ctx ends, or makes the tour.
func Run(ctx context.Context, o Options) (err error) {
	if o, err = o.settled(); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return becomeUser(o) // does not return unless it fails
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	store, err := o.findStore()
	if err != nil {
		return err
	}
	l, err := lab.New(lab.Options{
		Regent: self, Store: store, PostgresBin: o.PostgresBin,
		Dir: o.Dir, RemoveDir: o.Temporary, Output: os.Stderr,
		LinkPeers: o.Check, // a lost host is silent then

	})
	if err != nil {
		return err
	}
	if o.Keep {
		l.Keep()
	}
	defer func() {
		if closeErr := l.Close(); err == nil {
			err = closeErr
		}
	}()
	d := &demo{options: o, lab: l}
	if o.Check {
		return d.check(ctx)
	}
	return d.live(ctx)
}

// demo is one run.
type demo struct {
	options Options
	lab     *lab.Lab
	client  *lab.Writer
	writers []*lab.Writer // the client and the probes
}

// start starts the cluster and the writers.
func (d *demo) start(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	d.printf("Starting a store (%s), three daemons and three PostgreSQL servers in %s\n", d.options.Store, d.lab.Dir)
	began := time.Now()
	if err := d.lab.Start(ctx); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := d.lab.CreateTable(ctx); err != nil {
		return 0, err
	}
	d.client = d.lab.StartClient()
	d.writers = append(d.lab.StartProbes(), d.client)
	return took, nil
}

// stop ends the writers.
func (d *demo) stop() {
	for _, w := range d.writers {
		w.Stop()
	}
}

func (d *demo) printf(format string, args ...any) { fmt.Fprintf(d.options.Out, format, args...) }
