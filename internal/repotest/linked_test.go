package repotest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinkerPrunes: nothing in the daemon asks for a method by a name that the
// linker can't know, as text/template does. It would keep every exported method of
// every type then: 7 MB of program, and 3 of each agent's memory.
func TestLinkerPrunes(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "build", "-tags", "grpcnotrace", "-ldflags", "-dumpdep", "-o", filepath.Join(t.TempDir(), "regent"), "./cmd/regent")
	cmd.Dir = root
	reached, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(reached, []byte("main.main -> ")) {
		t.Fatalf("the linker says %.2000s, %v", reached, err)
	}
	for line := range strings.Lines(string(reached)) {
		if from, _, _ := strings.Cut(line, " -> "); strings.HasSuffix(from, "<ReflectMethod>") {
			t.Fatalf("%s is linked into the daemon", from)
		}
	}
}
