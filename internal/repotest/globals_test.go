package repotest

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"testing"
)

// mayChange are the package-level variables that change, and why there is no
// way around them.
var mayChange = map[string]string{
	"fence.mainCalled":          "main's first line says to all Options of the process that a copy of it can be a guard",
	"internal/lab.mainCalled":   "the same for the lab's own copies",
	"internal/testenv.clusters": "all tests of one binary share one run of initdb",
}

// TestNoGlobalState: several clusters in one process must work.
func TestNoGlobalState(t *testing.T) {
	found := map[string]token.Pos{}
	for _, p := range typed(t) {
		for _, f := range p.Files {
			changedIn(p, f, found)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if mayChange[name] == "" {
			t.Errorf("%s: the package-level variable %s is changed here", at(found[name]), name)
		}
	}
	for name := range mayChange {
		if found[name] == token.NoPos {
			t.Errorf("%s doesn't change: internal/repotest needs no exception for it", name)
		}
	}
}

// changedIn finds the package-level variables that f assigns to, in whole or in
// part, whose address it takes, or that it calls a method on that may change them.
func changedIn(p *checked, f *ast.File, found map[string]token.Pos) {
	note := func(e ast.Expr) {
		if v := globalBelow(p, e); v != nil {
			found[p.Path+"."+v.Name()] = e.Pos()
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				note(left)
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
				note(n.Value)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") && len(n.Args) > 0 {
				note(n.Args[0])
			}
		case *ast.SelectorExpr:
			if s := p.Info.Selections[n]; s != nil && s.Kind() == types.MethodVal && byPointer(s) {
				note(n.X)
			}
		}
		return true
	})
}

// byPointer says whether the method has the address of a variable that isn't a
// pointer itself.
func byPointer(s *types.Selection) bool {
	receiver := s.Obj().(*types.Func).Signature().Recv().Type()
	_, toPointer := receiver.(*types.Pointer)
	_, fromPointer := s.Recv().Underlying().(*types.Pointer)
	return toPointer && !fromPointer
}

// globalBelow is the package-level variable of ours that e is, or is a part of.
func globalBelow(p *checked, e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v, ok := p.Info.Uses[x.Sel].(*types.Var); ok && isGlobal(v) {
				return v
			}
			e = x.X
		case *ast.Ident:
			v, ok := p.Info.Uses[x].(*types.Var)
			if !ok || !isGlobal(v) {
				return nil
			}
			return v
		default:
			return nil
		}
	}
}

func isGlobal(v *types.Var) bool {
	return v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}
