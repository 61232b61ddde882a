package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write what was found to testdata/*.want")

// TestProblems loads each testdata/problems/*.yml and compares what is said
// about it with the *.want beside it: an error or "ok", then the warnings.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, warnings, err := Load(file, nil)
			got := said(warnings, err)
			wantFile := strings.TrimSuffix(file, ".yml") + ".want"
			if *rewrite {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is told")
			}
		})
	}
}

func said(warnings []Warning, err error) string {
	var b strings.Builder
	if err == nil {
		b.WriteString("ok\n")
	} else {
		b.WriteString(err.Error() + "\n")
	}
	for _, w := range warnings {
		if !strings.Contains(w.Text, "can be read by everybody") {
			b.WriteString("warning: " + w.String() + "\n")
		}
	}
	return b.String()
}

// base is the least that works.
const base = `
scope: demo
name: one
restapi: {listen: "127.0.0.1:8008"}
etcd3: {host: "127.0.0.1:2379"}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data
  authentication: {replication: {username: replicator}}
`

// loadText loads base with text over it.
func loadText(t *testing.T, text string, env ...string) (*Config, []Warning, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"1.yml": base, "2.yaml": text, "3.txt": "no: yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(dir, env)
}

func TestDirectoryIsMerged(t *testing.T) {
	c, warnings, err := loadText(t, "scope: other\netcd3: {host: null, hosts: 'a,b:1'}\npostgresql: {data_dir: /elsewhere}\n")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	if diff := cmp.Diff([]string{"http://a:2379", "http://b:1"}, etcd3(c).Endpoints); diff != "" {
		t.Error(diff)
	}
	if c.Scope != "other" || c.PostgreSQL.DataDir != "/elsewhere" || c.Name != "one" {
		t.Errorf("scope %s, name %s, data_dir %s", c.Scope, c.Name, c.PostgreSQL.DataDir)
	}
}

func TestNoConfiguration(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		path string
		env  []string
		want string
	}{
		{"", []string{"HOME=/root"}, "there is no configuration: neither a file nor PATRONI_CONFIGURATION nor other PATRONI_ variables are given"},
		{"/nowhere/x.yml", nil, "/nowhere/x.yml: no such file or directory"},
		{empty, nil, empty + ": no *.yml or *.yaml in this directory"},
		{"", []string{"PATRONI_CONFIGURATION=[1]"}, "PATRONI_CONFIGURATION: must be a map of sections at its top"},
		{"", []string{"PATRONI_CONFIGURATION=a: 'x\n"}, "PATRONI_CONFIGURATION: line 2: found unexpected end of stream"},
		{"", []string{"PATRONI_CONFIGURATION=password: *hunter2"}, "PATRONI_CONFIGURATION: a value that begins with * must stand in quotes"},
		{"", []string{"PATRONI_CONFIGURATION=a: !!int hunter2"}, "PATRONI_CONFIGURATION: cannot decode !!str a value as a !!int"},
		{"", []string{"PATRONI_CONFIGURATION=scope: a\nscope: b"}, `PATRONI_CONFIGURATION: unmarshal errors: line 2: mapping key "scope" already defined at line 1`},
	} {
		_, _, err := Load(test.path, test.env)
		if err == nil || err.Error() != test.want {
			t.Errorf("Load(%q, %q): %v, want %s", test.path, test.env, err, test.want)
		}
	}
}

func TestWorldReadablePasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "patroni.yml")
	text := base + "ctl: {authentication: {username: a, password: hunter2}}\n"
	for _, test := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{text, 0o644, file + ": holds passwords and can be read by everybody (mode 0644); chmod o-r helps"},
		{text, 0o640, ""},
		{base, 0o644, ""},
	} {
		if err := os.WriteFile(file, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, w := range warnings {
			got += w.String()
		}
		if got != test.want {
			t.Errorf("mode %o: %q, want %q", test.mode, got, test.want)
		}
	}
}
