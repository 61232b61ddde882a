package repotest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// isTestCode says whether only tests use f.
func isTestCode(f *sourceFile) bool {
	return f.Test || strings.HasSuffix(f.Dir, "test") || f.Dir == "internal/testenv"
}

// TestNothingIsSkipped: a server or a program that is missing fails a test.
func TestNothingIsSkipped(t *testing.T) {
	for _, f := range sources(t) {
		if !isTestCode(f) {
			continue
		}
		eachSelector(f, func(s *ast.SelectorExpr) {
			switch s.Sel.Name {
			case "Skip", "Skipf", "SkipNow", "Short":
				if _, ok := s.X.(*ast.Ident); ok {
					t.Errorf("%s: a test is run or it is deleted, never skipped", f.position(s))
				}
			}
		})
	}
}

// mayPause are the places where tests look again for something after a pause.
// All others wait by them, or in virtual time.
var mayPause = []string{"internal/testenv/child.go", "internal/tcpproxy/proxy.go"}

func TestNothingSleeps(t *testing.T) {
	for _, f := range sources(t) {
		virtual := slices.ContainsFunc(f.AST.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
		if !isTestCode(f) || virtual || slices.Contains(mayPause, f.Path) {
			continue
		}
		eachSelector(f, func(s *ast.SelectorExpr) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && s.Sel.Name == "Sleep" {
				t.Errorf("%s: wait for a condition (testenv.Eventually), not for time to pass", f.position(s))
			}
		})
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: nothing happens on import", f.position(fn))
			}
		}
	}
}

// TestExamplesAreRun: a test beside each example starts it.
func TestExamplesAreRun(t *testing.T) {
	tested := map[string]bool{}
	for _, f := range sources(t) {
		if strings.HasPrefix(f.Dir, "examples/") {
			tested[f.Dir] = tested[f.Dir] || f.Test
		}
	}
	if len(tested) < 3 {
		t.Errorf("only %d examples were found", len(tested))
	}
	for dir, ok := range tested {
		if !ok {
			t.Errorf("%s has no test that runs it", dir)
		}
	}
}

func eachSelector(f *sourceFile, visit func(*ast.SelectorExpr)) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			visit(s)
		}
		return true
	})
}
