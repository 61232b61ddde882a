package demo

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/regent-ha/regent/internal/lab"
	"github.com/regent-ha/regent/internal/servers"
)

const defaultStore = "regent-store"

// store is a kind of store that the demonstration can have.
type store struct {
	programs []program
	// kind is the store itself, with the paths of these programs.
	kind func(paths []string) lab.StoreKind
}

// program is one that the store runs.
type program struct {
	name string
	pkg  string // Debian's that has it; empty: scripts/servers builds it
}

var stores = map[string]store{
	"regent-store": {[]program{{name: "regent-store"}}, func(p []string) lab.StoreKind { return lab.RegentStore(p[0]) }},
	"etcd":         {[]program{{"etcd", "etcd-server"}}, func(p []string) lab.StoreKind { return lab.Etcd(p[0]) }},
	"consul":       {[]program{{name: "consul"}}, func(p []string) lab.StoreKind { return lab.Consul(p[0]) }},
	"kubernetes": {[]program{{name: "kube-apiserver"}, {name: "regent-store"}}, func(p []string) lab.StoreKind {
		return lab.Kubernetes(p[0], p[1])
	}},
}

// Stores are the kinds that Options.Store allows.
func Stores() []string { return slices.Sorted(maps.Keys(stores)) }

// find is the path of the program: of those that scripts/servers builds also in
// the folder of this program.
func (p program) find() (string, error) {
	if p.pkg != "" {
		return servers.FindPackaged(p.name, p.pkg)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return servers.Find(p.name, filepath.Dir(self))
}

// find is where the store's programs are.
func (s store) find() (paths []string, err error) {
	for _, p := range s.programs {
		path, err := p.find()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
