package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/regent-ha/regent/internal/servers"
)

// known are the kinds of stores by name, with their programs found.
var known = map[string]func(*finder) StoreKind{
	"regent-store": func(f *finder) StoreKind { return RegentStore(f.own("regent-store")) },
	"etcd":         func(f *finder) StoreKind { return Etcd(f.packaged("etcd", "etcd-server")) },
	"etcd2":        func(f *finder) StoreKind { return EtcdV2(f.packaged("etcd", "etcd-server")) },
	"consul":       func(f *finder) StoreKind { return Consul(f.own("consul")) },
	"zookeeper":    func(f *finder) StoreKind { return ZooKeeper(f.keep(servers.FindZooKeeper())) },
	"kubernetes":   func(f *finder) StoreKind { return Kubernetes(f.own("kube-apiserver"), f.own("regent-store")) },
	"kubernetes-configmaps": func(f *finder) StoreKind {
		return KubernetesConfigMaps(f.own("kube-apiserver"), f.own("regent-store"))
	},
}

// StoreNames are the names that FindStore knows.
func StoreNames() []string { return slices.Sorted(maps.Keys(known)) }

// Found is a kind of store whose programs were found.
type Found struct {
	StoreKind
	Built []string // paths of those that scripts/servers builds
}

// FindStore is the kind of store of this name, with its programs where
// scripts/servers puts them, in the folder beside if that isn't empty, or where
// PATH has them.
func FindStore(name, beside string) (Found, error) {
	kind, ok := known[name]
	if !ok {
		return Found{}, fmt.Errorf("store %s is not allowed: %s are", name, strings.Join(StoreNames(), ", "))
	}
	f := finder{beside: beside}
	found := kind(&f)
	return Found{found, f.built}, f.err
}

// finder finds programs and keeps the first error.
type finder struct {
	beside string
	built  []string // paths of those that scripts/servers builds
	err    error
}

// own is a program that scripts/servers builds.
func (f *finder) own(name string) string {
	path := f.keep(servers.Find(name, f.beside))
	f.built = append(f.built, path)
	return path
}

// packaged is a program of a Debian package.
func (f *finder) packaged(name, pkg string) string { return f.keep(servers.FindPackaged(name, pkg)) }

func (f *finder) keep(path string, err error) string {
	if f.err == nil {
		f.err = err
	}
	return path
}
