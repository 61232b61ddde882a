package repotest

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the picture of docs/architecture.md: what each package may import
// beside the standard library. What ends in / stands for all below it. The names
// of our own packages are without the module's path.
var mayImport = map[string][]string{
	"clock": {"golang.org/x/sys/unix"},

	// These three know nothing of one another, and nothing of ha.
	"dcs":      {"clock"},
	"postgres": {"clock", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/", "golang.org/x/sys/unix"},
	"fence":    {"clock", "golang.org/x/sys/unix"},

	// A store knows dcs and its own client.
	"dcs/memory":     {"clock", "dcs"},
	"dcs/etcd2":      {"internal/turn", "clock", "dcs"},
	"dcs/kubernetes": {"internal/turn", "clock", "dcs", "k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd", "k8s.io/client-go/transport"},
	"dcs/etcd": {"internal/turn", "clock", "dcs", "go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/api/v3/", "google.golang.org/grpc", "google.golang.org/grpc/",
		"go.uber.org/zap"},

	"dcs/consul":    {"internal/turn", "clock", "dcs", "github.com/hashicorp/consul/api"},
	"dcs/zookeeper": {"internal/turn", "clock", "dcs"},

	"ha": {"clock", "dcs", "fence", "internal/turn", "internal/value", "postgres"},

	"rest": {"clock", "dcs", "ha", "internal/jsontext", "internal/value", "postgres",
		"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/promhttp"},
	"config": {"clock", "dcs", "dcs/consul", "dcs/etcd", "dcs/etcd2", "dcs/kubernetes", "dcs/zookeeper", "ha", "internal/value", "postgres", "k8s.io/client-go/rest",
		"github.com/knadh/koanf/", "go.yaml.in/yaml/v3"},

	// Programs wire.
	"cmd/regent": {"clock", "config", "dcs", "fence", "ha", "internal/demo", "internal/lab", "postgres", "rest",
		"github.com/spf13/cobra", "gopkg.in/natefinch/lumberjack.v2"},
	"cmd/regentctl": {"ctl"},
	"ctl": {"config", "dcs", "ha", "internal/jsontext", "rest",
		"github.com/spf13/cobra", "github.com/spf13/pflag", "go.yaml.in/yaml/v3"},

	// Test kits for whoever builds on these packages.
	"dcs/dcstest":           {"clock", "dcs", "dcs/memory"},
	"postgres/postgrestest": {"clock", "postgres"},
	"ha/hatest":             {"clock", "dcs", "dcs/memory", "fence", "ha", "postgres", "postgres/postgrestest"},

	"deploy":            {},
	"internal/jsontext": {},
	"internal/value":    {},
	"internal/tcpproxy": {},
	"internal/turn":     {},
	"internal/ports":    {},
	"internal/servers":  {"github.com/hashicorp/consul/api", "go.yaml.in/yaml/v3"},
	"internal/testenv": {"internal/ports", "internal/servers", "internal/tcpproxy", "go.etcd.io/etcd/client/v3", "go.uber.org/zap", "google.golang.org/grpc",
		"github.com/go-zookeeper/zk", "github.com/hashicorp/consul/api", "golang.org/x/sys/unix"},
	"internal/storetest":             {"clock", "dcs", "internal/testenv", "go.uber.org/goleak"},
	"internal/testenv/pg_basebackup": {"github.com/jackc/pgx/v5/"},
	"internal/lab": {"internal/ports", "internal/servers", "clock", "dcs", "dcs/consul", "dcs/etcd", "dcs/etcd2", "dcs/kubernetes", "dcs/zookeeper", "deploy",
		"internal/tcpproxy",
		"github.com/hashicorp/consul/api", "go.etcd.io/etcd/client/v3", "go.uber.org/zap", "google.golang.org/grpc",
		"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/", "go.yaml.in/yaml/v3", "golang.org/x/sys/unix"},
	"internal/demo":      {"clock", "internal/lab", "internal/servers", "golang.org/x/sys/unix"},
	"internal/e2e":       {"clock", "dcs", "internal/lab", "internal/servers", "postgres"},
	"internal/tally":     {"golang.org/x/net/http2", "golang.org/x/net/http2/hpack"},
	"internal/bench":     {"clock", "dcs", "internal/lab", "internal/tally", "github.com/jackc/pgx/v5", "go.yaml.in/yaml/v3"},
	"internal/bench/cmd": {"internal/bench", "internal/lab"},
	"internal/load":      {"clock", "dcs", "dcs/etcd", "internal/ports"},
	"internal/load/cmd":  {"internal/load"},
	"internal/repotest":  {},

	// An example shows what one needs for it.
	"examples/lock":     {"clock", "dcs", "dcs/etcd"},
	"examples/instance": {"postgres", "github.com/jackc/pgx/v5"},
	"examples/embed":    {"dcs", "dcs/etcd", "fence", "ha", "postgres", "rest"},
	"examples/fake":     {"ha/hatest"},
}

// testsMayImport is what every test may import in addition, beside what its
// package and the packages below it may.
var testsMayImport = []string{
	"clock", "dcs/dcstest", "dcs/memory", "postgres/postgrestest", "ha/hatest", "internal/testenv", "internal/storetest", "internal/lab", "internal/tcpproxy",
	"github.com/go-zookeeper/zk", "github.com/google/go-cmp/", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/jackc/pgx/v5",
	"golang.org/x/net/dns/dnsmessage", "golang.org/x/sys/unix",
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range sources(t) {
		allowed, known := mayImport[f.Dir]
		if !known {
			t.Errorf("%s: internal/repotest doesn't say what package %s may import", f.Path, f.Dir)
			continue
		}
		seen[f.Dir] = true
		if f.Test {
			allowed = slices.Concat(allowed, testsMayImport, below(allowed))
		}
		for _, i := range f.AST.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			own := imported == module+"/"+f.Dir // an external test package
			if !allows(allowed, imported) && !(own && f.Test) {
				t.Errorf("%s: package %s may not import %s", f.position(i), f.Dir, imported)
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(mayImport)) {
		if !seen[dir] {
			t.Errorf("internal/repotest says what package %s may import, and there is no such package", dir)
		}
	}
}

// below is what the packages of ours in allowed may import.
func below(allowed []string) []string {
	var all []string
	for _, a := range allowed {
		all = append(all, mayImport[a]...)
	}
	return all
}

func allows(allowed []string, imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return imported != "C" // the standard library, and no cgo
	}
	name := strings.TrimPrefix(imported, module+"/")
	return slices.ContainsFunc(allowed, func(a string) bool {
		return a == name || strings.HasSuffix(a, "/") && strings.HasPrefix(name, a)
	})
}

// TestUnwanted keeps what steps around the language, what has a better
// successor, and what is for tests alone out of the rest.
func TestUnwanted(t *testing.T) {
	for _, f := range sources(t) {
		for _, i := range f.AST.Imports {
			switch imported, _ := strconv.Unquote(i.Path.Value); imported {
			case "unsafe", "plugin", "log", "math/rand", "io/ioutil", "sort":
				if strings.HasPrefix(f.Dir, "examples/") && imported == "log" {
					continue // a program of a few lines
				}
				t.Errorf("%s: %s is not used here", f.position(i), path.Base(imported))
			case "testing", "testing/synctest", module + "/internal/testenv":
				if !isTestCode(f) {
					t.Errorf("%s: %s is for tests alone", f.position(i), imported)
				}
			}
		}
	}
}
