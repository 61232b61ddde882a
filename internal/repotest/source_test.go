package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// module is what import paths of ours begin with.
const module = "github.com/regent-ha/regent"

// root is the repository's folder, seen from this package's.
const root = "../.."

// sourceFile is one file of Go, whatever platform it is for.
type sourceFile struct {
	Path string // relative to the repository
	Dir  string // the package's folder, "." for the root
	Test bool   // its name ends in _test.go
	Text []byte
	AST  *ast.File
}

// position is where n begins, as file:line.
func (f *sourceFile) position(n ast.Node) string {
	p := files.Position(n.Pos())
	return strings.TrimPrefix(filepath.ToSlash(p.String()), root+"/")
}

var files = token.NewFileSet()

// readSources parses the Go files of the root module once.
var readSources = sync.OnceValues(func() ([]*sourceFile, error) {
	var sources []*sourceFile
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		full := filepath.Join(root, path)
		text, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(files, full, text, parser.ParseComments)
		if err != nil {
			return err
		}
		sources = append(sources, &sourceFile{
			Path: path, Dir: filepath.ToSlash(filepath.Dir(path)), Test: strings.HasSuffix(path, "_test.go"),
			Text: text, AST: parsed,
		})
		return nil
	})
	return sources, err
})

func sources(t *testing.T) []*sourceFile {
	t.Helper()
	all, err := readSources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d files of Go were found below %s", len(all), root)
	}
	return all
}

// walk visits the files of the root module: no hidden folders, no modules nested
// in it, nothing that was built.
func walk(visit func(path string) error) error {
	return filepath.WalkDir(root, func(full string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, full)
		if err != nil || path == "." {
			return err
		}
		if e.Name() == ".git" {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil // a file in a worktree
		}
		if !e.IsDir() {
			return visit(filepath.ToSlash(path))
		}
		_, nested := os.Stat(filepath.Join(full, "go.mod"))
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" || e.Name() == "testdata" || nested == nil {
			return fs.SkipDir
		}
		return nil
	})
}
