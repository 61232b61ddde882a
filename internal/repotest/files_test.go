package repotest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mostLines is where a file wants to be two, with some room.
const mostLines = 500

func TestFileSizes(t *testing.T) {
	for _, f := range sources(t) {
		if n := bytes.Count(f.Text, []byte("\n")); n > mostLines {
			t.Errorf("%s has %d lines: at most %d, and a file holds one idea", f.Path, n, mostLines)
		}
	}
}

// TestNoReplace: who imports the module doesn't get its replacements.
func TestNoReplace(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if match := regexp.MustCompile(`(?m)^(replace|exclude)\b.*`).Find(text); match != nil {
		t.Errorf("go.mod: %s", match)
	}
}

// machinePath is what only means something on the machine of whoever wrote it.
var machinePath = regexp.MustCompile(`/(home|Users|work|workspace|builds)/[A-Za-z]|/(root)/|[A-Z]:\\Users`)

func TestNoMachinePaths(t *testing.T) {
	err := walk(func(path string) error {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			if match := machinePath.FindString(line); match != "" {
				t.Errorf("%s:%d: %s… is a path of one machine: %s", path, n+1, match, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
