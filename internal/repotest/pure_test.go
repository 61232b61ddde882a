package repotest

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// thinking are the packages of the standard library that only compute. Nothing
// else may be reached by a decision: no clock, no context, no log, no lock, no
// file, no network, no chance.
var thinking = []string{
	"bytes", "cmp", "encoding/json", "errors", "fmt", "hash", "hash/fnv", "maps", "math", "math/bits", "net/url",
	"regexp", "slices", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// acting is what those packages have that does more.
var acting = []string{
	"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker",
	"time.LoadLocation", "(time.Time).Local",
	"fmt.Print", "fmt.Printf", "fmt.Println", "fmt.Scan", "fmt.Scanf", "fmt.Scanln", // Fprint needs a writer, which would be noticed
}

// answering are interfaces whose methods only compute, for every type of
// ours that has them.
var answering = []string{"(error).Error", "(fmt.Stringer).String", "(encoding/json.Marshaler).MarshalJSON"}

// TestDecisionsArePure follows what ha's decide reaches, through all packages of
// ours, and finds nothing there that isn't computed from its argument.
func TestDecisionsArePure(t *testing.T) {
	w := &walker{t: t, functions: index(typed(t)), seen: map[string]bool{}, hashing: map[*ast.Ident]bool{}}
	w.reach(module+"/ha.decide", "")
	if len(w.seen) < 50 {
		t.Errorf("decide reaches only %d functions: is it still what decides?", len(w.seen))
	}
	t.Logf("decide reaches %d functions", len(w.seen))
}

// function is a declared one, with what its names mean.
type function struct {
	in   *checked
	decl *ast.FuncDecl
}

// index has the functions and methods of all packages by their full names.
func index(packages map[string]*checked) map[string]function {
	all := map[string]function{}
	for _, p := range packages {
		for _, f := range p.Files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					if obj, ok := p.Info.Defs[fn.Name].(*types.Func); ok {
						all[obj.FullName()] = function{p, fn}
					}
				}
			}
		}
	}
	return all
}

type walker struct {
	t         *testing.T
	functions map[string]function
	seen      map[string]bool
	hashing   map[*ast.Ident]bool
}

// reach looks at one function, and at all that it names: a function that is
// passed on may be called.
func (w *walker) reach(name, from string) {
	if w.seen[name] {
		return
	}
	f, ok := w.functions[name]
	if !ok || f.decl.Body == nil {
		w.t.Errorf("%s reaches %s, which can't be followed", from, name)
		return
	}
	w.seen[name] = true
	ast.Inspect(f.decl.Body, func(n ast.Node) bool {
		w.look(f, n, strings.TrimPrefix(name, module+"/"))
		return true
	})
}

func (w *walker) look(f function, n ast.Node, name string) {
	switch n := n.(type) {
	case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
		w.impure(n.Pos(), name, "starts or waits for other goroutines")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			w.impure(n.Pos(), name, "receives from a channel")
		}
	case *ast.RangeStmt:
		if _, ok := f.in.Info.TypeOf(n.X).Underlying().(*types.Chan); ok {
			w.impure(n.Pos(), name, "receives from a channel")
		}
	case *ast.SelectorExpr:
		if s := f.in.Info.Selections[n]; s != nil && strings.HasPrefix(s.Recv().String(), "hash.") {
			w.hashing[n.Sel] = true // an interface, and yet it only computes
		}
	case *ast.Ident:
		if w.hashing[n] {
			return
		}
		switch obj := f.in.Info.Uses[n].(type) {
		case *types.Func:
			w.use(obj.Origin(), n, name)
		case *types.Var:
			if isGlobal(obj) && !strings.HasPrefix(obj.Pkg().Path(), module) {
				w.impure(n.Pos(), name, "reads "+obj.Pkg().Path()+"."+obj.Name())
			}
		}
	}
}

// use looks at one use of a function or method.
func (w *walker) use(obj *types.Func, n *ast.Ident, name string) {
	full := obj.FullName()
	receiver := obj.Signature().Recv()
	switch {
	case receiver != nil && types.IsInterface(receiver.Type()):
		w.useInterface(obj, n, name)
	case strings.HasPrefix(obj.Pkg().Path(), module+"/"):
		w.reach(full, name)
	case !slices.Contains(thinking, obj.Pkg().Path()), slices.Contains(acting, full):
		w.impure(n.Pos(), name, "uses "+full)
	}
}

// useInterface follows all methods of that name where it is known what they are
// for. Any other interface may have the world behind it.
func (w *walker) useInterface(obj *types.Func, n *ast.Ident, name string) {
	full := obj.FullName()
	switch {
	case slices.Contains(answering, full):
		for method, f := range w.functions {
			if f.decl.Recv != nil && f.decl.Name.Name == obj.Name() && slices.Contains(mayImport["ha"], f.in.Path) {
				w.reach(method, name)
			}
		}
	case obj.Pkg() == nil || !slices.Contains(thinking, obj.Pkg().Path()):
		w.impure(n.Pos(), name, "calls "+full+", which may be anything")
	}
}

func (w *walker) impure(pos token.Pos, name, what string) {
	w.t.Errorf("%s: %s, which a decision reaches, %s", at(pos), name, what)
}
