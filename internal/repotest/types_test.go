package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// checked is a package of ours with its types, without its tests, as it is
// built on this machine.
type checked struct {
	Path  string // of the import, without the module's
	Types *types.Package
	Info  *types.Info
	Files []*ast.File
}

// typeCheck checks all packages of the root module once. What they import comes
// compiled from go list.
var typeCheck = sync.OnceValues(func() (map[string]*checked, error) {
	listed, err := goList()
	if err != nil {
		return nil, err
	}
	sources, err := readSources()
	if err != nil {
		return nil, err
	}
	parsed := map[string]*ast.File{}
	for _, f := range sources {
		parsed[f.Path] = f.AST
	}
	exports := map[string]string{}
	for _, p := range listed {
		exports[p.ImportPath] = p.Export
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(files, "gc", lookup)}
	packages := map[string]*checked{}
	for _, p := range listed {
		if !p.ours() {
			continue
		}
		c := &checked{Path: strings.TrimPrefix(p.ImportPath, module+"/"), Info: &types.Info{
			Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
			Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		}}
		for _, name := range p.GoFiles {
			c.Files = append(c.Files, parsed[c.Path+"/"+name])
		}
		if c.Types, err = config.Check(p.ImportPath, files, c.Files, c.Info); err != nil {
			return nil, err
		}
		packages[c.Path] = c
	}
	return packages, nil
})

func typed(t *testing.T) map[string]*checked {
	t.Helper()
	packages, err := typeCheck()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// listedPackage is what go list says of a package.
type listedPackage struct {
	ImportPath, Export string
	GoFiles            []string
}

func (p listedPackage) ours() bool { return strings.HasPrefix(p.ImportPath, module+"/") }

func goList() ([]listedPackage, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-buildvcs=false", "-json=ImportPath,Export,GoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

// at is where pos is, as file:line.
func at(pos token.Pos) string {
	p := files.Position(pos)
	p.Filename = strings.TrimPrefix(filepath.ToSlash(p.Filename), root+"/")
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
