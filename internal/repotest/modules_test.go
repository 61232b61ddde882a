package repotest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write down the modules as they are now")

// consumers are programs that use a part of the module, by the file that has the
// modules which become part of them.
var consumers = map[string][]string{
	"lease":      {"dcs", "dcs/etcd"},
	"consul":     {"dcs", "dcs/consul"},
	"kubernetes": {"dcs", "dcs/kubernetes"},
	"zookeeper":  {"dcs", "dcs/zookeeper"},
	"etcd2":      {"dcs", "dcs/etcd2"},
	"every":      {"config"}, // the only one that has all stores
	"instance":   {"postgres"},
	"agent":      {"ha", "dcs/memory"},
}

// TestModulesOfConsumers: nobody links what he doesn't use.
func TestModulesOfConsumers(t *testing.T) {
	for name, imports := range consumers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(linkedBy(t, imports), "\n") + "\n"
			file := filepath.Join("testdata", name+".modules")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("a program that imports %v has other modules in it than %s says (go test ./internal/repotest -rewrite, if that is wanted):\n%s", imports, file, got)
			}
		})
	}
}

// linkedBy makes a module that imports our packages, and returns the paths of
// all modules that its program has code of.
func linkedBy(t *testing.T, packages []string) []string {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(here, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	program := "package main\n\n"
	for _, p := range packages {
		program += fmt.Sprintf("import _ %q\n", module+"/"+p)
	}
	for name, text := range map[string]string{
		"go.mod":  fmt.Sprintf("module example.org/consumer\n\ngo 1.26.0\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]s\n", module, here),
		"go.sum":  string(sums),
		"main.go": program + "\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "list", "-mod=mod", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	return slices.DeleteFunc(slices.Compact(modules), func(m string) bool { return m == "example.org/consumer" })
}
