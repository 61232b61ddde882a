package repotest

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestPackageComments(t *testing.T) {
	comments := map[string][]string{}
	for _, f := range sources(t) {
		if f.Test {
			continue
		}
		if _, ok := comments[f.Dir]; !ok {
			comments[f.Dir] = nil
		}
		if f.AST.Doc == nil {
			continue
		}
		comments[f.Dir] = append(comments[f.Dir], f.Path)
		begin := "Package " + f.AST.Name.Name + " "
		if f.AST.Name.Name == "main" {
			begin = "Command "
		}
		if text := f.AST.Doc.Text(); !strings.HasPrefix(text, begin) {
			t.Errorf("%s: the package comment doesn't begin with %q", f.Path, begin)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(comments)) {
		if n := len(comments[dir]); n != 1 {
			t.Errorf("package %s has %d package comments %v: exactly one", dir, n, comments[dir])
		}
	}
}

// TestDocComments: what other packages can see is documented.
func TestDocComments(t *testing.T) {
	for _, f := range sources(t) {
		if f.Test || f.AST.Name.Name == "main" {
			continue
		}
		for _, d := range f.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && receiverIsExported(d) && d.Doc == nil && !isWellKnown(d) {
					t.Errorf("%s: %s has no doc comment", f.position(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					checkSpec(t, f, d, s)
				}
			}
		}
	}
}

// checkSpec accepts a comment before the name, behind it, or before its group.
func checkSpec(t *testing.T, f *sourceFile, d *ast.GenDecl, s ast.Spec) {
	t.Helper()
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
			t.Errorf("%s: %s has no doc comment", f.position(s), s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				t.Errorf("%s: %s has no doc comment", f.position(s), name.Name)
			}
		}
	}
}

func receiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	of := d.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	name, ok := of.(*ast.Ident)
	return ok && name.IsExported()
}

// isWellKnown is for methods whose meaning the standard library gives.
func isWellKnown(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	switch d.Name.Name {
	case "Error", "Unwrap", "String", "Len", "Less", "Swap", "LogValue":
		return true
	}
	return strings.HasPrefix(d.Name.Name, "Marshal") || strings.HasPrefix(d.Name.Name, "Unmarshal")
}
