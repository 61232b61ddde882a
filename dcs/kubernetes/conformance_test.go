package kubernetes_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/dcstest"
	"github.com/regent-ha/regent/dcs/kubernetes"
	"github.com/regent-ha/regent/internal/storetest"
	"github.com/regent-ha/regent/internal/testenv"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// The whole suite runs with the rights of deploy/kubernetes/rbac.yaml.
func TestConformance(t *testing.T) {
	for name, useEndpoints := range map[string]bool{"configmaps": false, "endpoints": true} {
		t.Run(name, func(t *testing.T) { dcstest.Run(t, harness(useEndpoints)) })
	}
}

func TestSoak(t *testing.T) { dcstest.Soak(t, harness(false)) }

func harness(useEndpoints bool) dcstest.Harness {
	return dcstest.Harness{
		Start: func(tb testing.TB) dcstest.Store { return startStore(tb, useEndpoints) },
		// An API server needs its time for so many tests at once: in 2 s a step may not fit.
		MinTTL:  4 * time.Second,
		Late:    time.Second,
		Largest: 200 << 10, // of the 256 KiB that all annotations of an object may have
		// A member is named after its Pod.
		Names: []string{"a", "node-0", "node-0.example.org", "members", "0"},
		// The Pod is the entry.
		EntriesStay: true,
		// There is no lease behind the key, only an object like the others.
		GoneIsUnknown: true,
	}
}

func startStore(tb testing.TB, useEndpoints bool) dcstest.Store {
	k := newCluster(tb, testenv.KubernetesOptions{})
	return dcstest.Store{
		Open: func(tb testing.TB, o dcstest.Options) dcs.DCS {
			return k.open(tb, o, kubernetes.Options{UseEndpoints: useEndpoints})
		},
		OpenLinked: func(tb testing.TB, o dcstest.Options) (dcs.DCS, dcstest.Link) {
			proxy := testenv.NewProxy(tb, k.Servers[0].Addr)
			server := &rest.Config{Host: "https://" + proxy.Addr}
			return k.open(tb, o, kubernetes.Options{UseEndpoints: useEndpoints, Server: server}), testenv.Link{Proxy: proxy}
		},
		Server: storetest.Processes[*testenv.APIServer]{All: k.Servers, Serve: func() { k.WaitServing(tb) }},
	}
}

// cluster is an API server with a namespace for each cluster of ours: members are
// named after Pods.
type cluster struct {
	*testenv.KubernetesCluster
	dir  string
	pods *sync.Map // those that were made, by scope and name
}

func newCluster(tb testing.TB, o testenv.KubernetesOptions) cluster {
	return cluster{testenv.Kubernetes(tb, o), tb.TempDir(), &sync.Map{}}
}

var labels = map[string]string{"application": "regent"}

// namespace is that of a scope, and of its neighbour.
func namespace(scope string) string { return strings.TrimSuffix(scope, "-neighbour") }

// open makes what an operator makes, and the member's Pod, and returns a handle with
// the rights that such a Pod, or an operator, has.
func (k cluster) open(tb testing.TB, d dcstest.Options, o kubernetes.Options) *kubernetes.DCS {
	tb.Helper()
	ns := namespace(d.Path.Scope)
	o.Path, o.Name, o.TTL, o.Namespace, o.Labels = d.Path, d.Name, d.TTL, ns, labels
	account := "regentctl"
	if d.Name != "" {
		account = "regent"
		o.Observed = filepath.Join(k.dir, d.Path.Scope+"."+d.Name)
	}
	if o.Server == nil {
		o.Server = &rest.Config{Host: k.URL()}
	}
	o.Server.BearerTokenFile, o.Server.CAFile = k.token(tb, ns, account), k.CA
	if _, made := k.pods.LoadOrStore(d.Path.Scope+"/"+d.Name, true); d.Name != "" && !made {
		sum := fnv.New32()
		sum.Write([]byte(d.Name))
		ip := fmt.Sprintf("10.0.%d.%d", sum.Sum32()>>8&0xff, sum.Sum32()&0xff)
		k.Pod(tb, ns, d.Name, ip, map[string]string{"application": "regent", "cluster-name": d.Path.Scope})
	}
	h, err := kubernetes.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// token is the file with an account's token, as the kubelet keeps one in a Pod.
func (k cluster) token(tb testing.TB, ns, account string) string {
	tb.Helper()
	file := filepath.Join(k.dir, ns+"."+account+".token")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	k.Namespace(tb, ns)
	k.Apply(tb, "../../deploy/kubernetes/rbac.yaml", ns)
	if err := os.WriteFile(file+".new", []byte(k.ServiceAccountToken(tb, ns, account)), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		tb.Fatal(err)
	}
	return file
}
