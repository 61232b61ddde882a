package demo

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/internal/lab"
)

// Options say what to show, and where the programs are.
type Options struct {
	Check bool // the tour, which ends by itself and fails if a promise is broken
	Keep  bool // the directory stays, for a look at logs

	Dir         string // an empty one, which stays; by default a temporary one
	Temporary   bool   // Dir was made for this run and goes with it
	PostgresBin string // by default the newest of Debian's, or where PATH has initdb
	Store       string // its kind, one of lab.StoreNames: by default "regent-store"
	User        string // whom root becomes: by default "postgres"

	Out io.Writer
}

// settled finds what wasn't said.
func (o Options) settled() (Options, error) {
	if o.User == "" {
		o.User = "postgres"
	}
	if o.PostgresBin == "" {
		o.PostgresBin = findPostgres()
	}
	if o.Store == "" {
		o.Store = "regent-store"
	}
	if !slices.Contains(lab.StoreNames(), o.Store) {
		return o, fmt.Errorf("--store %s is not allowed: %s are", o.Store, strings.Join(lab.StoreNames(), ", "))
	}
	if entries, _ := os.ReadDir(o.Dir); o.Dir != "" && len(entries) > 0 && !o.Temporary {
		return o, fmt.Errorf("--dir %s is not empty: name an empty directory", o.Dir)
	}
	if o.PostgresBin == "" {
		return o, fmt.Errorf("no PostgreSQL server found: install one (Debian: apt-get install postgresql), or say where its programs are with --postgres-bin")
	}
	if _, err := os.Stat(filepath.Join(o.PostgresBin, "initdb")); err != nil {
		return o, fmt.Errorf("--postgres-bin %s: %w", o.PostgresBin, err)
	}
	return o, nil
}

func findPostgres() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(dirs) > 0 {
		newest := slices.MaxFunc(dirs, func(a, b string) int { return major(a) - major(b) })
		return filepath.Dir(newest)
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb)
	}
	return ""
}

// major is the version in /usr/lib/postgresql/VERSION/bin/initdb.
func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// findStore is the store that was chosen, with programs also from the folder of
// this one.
func (o Options) findStore() (lab.Found, error) {
	self, err := os.Executable()
	if err != nil {
		return lab.Found{}, err
	}
	return lab.FindStore(o.Store, filepath.Dir(self))
}

// beside is the path of a program in the folder of this one, or empty.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
