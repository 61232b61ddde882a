package repotest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	excerpt = regexp.MustCompile(`(?ms)^\s*// README:begin\n(.*?)^\s*// README:end$`)
)

// TestReadmeShowsWhatIsCompiled: the README's Go is cut from the examples, at
// their marks.
func TestReadmeShowsWhatIsCompiled(t *testing.T) {
	excerpts := map[string]string{}
	for _, f := range sources(t) {
		if !strings.HasPrefix(f.Dir, "examples/") {
			continue
		}
		for _, m := range excerpt.FindAllSubmatch(f.Text, -1) {
			excerpts[outdent(string(m[1]))] = f.Path
		}
	}
	if len(excerpts) == 0 {
		t.Error("no example has lines between README:begin and README:end")
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, m := range goBlock.FindAllSubmatch(text, -1) {
		shown := string(m[1])
		if excerpts[outdent(shown)] == "" {
			t.Errorf("README.md: this is no excerpt of an example as it is now:\n%s\nThese are:", shown)
			for text, path := range excerpts {
				t.Logf("%s:\n%s", path, text)
			}
		}
	}
}

// outdent takes the indentation of the first line off all lines, and white space
// off their ends.
func outdent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], "\t "))]
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, indent), " \t")
	}
	return strings.Join(lines, "\n") + "\n"
}
