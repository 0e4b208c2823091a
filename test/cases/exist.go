package cases

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sources are the tests that the module's files have.
type Sources struct {
	root   string
	loaded map[string]*pkg // by directory
}

type pkg struct {
	funcs   map[string]bool
	strings map[string]bool // literals, for names of subtests
}

// NewSources looks below the module's directory.
func NewSources(root string) *Sources { return &Sources{root: root, loaded: map[string]*pkg{}} }

// Check returns an error if the test is not there.
func (s *Sources) Check(t Test) error {
	p, err := s.load(t.Package)
	if err != nil {
		return err
	}
	name, sub, hasSub := strings.Cut(t.Name, "/")
	switch {
	case !p.funcs[name]:
		return fmt.Errorf("%s has no %s", t.Package, name)
	case !hasSub:
		return nil
	case name == "TestScript":
		_, err := os.Stat(filepath.Join(s.root, t.Package, "testdata", "script", sub+".txtar"))
		return err
	case !p.strings[sub]:
		return fmt.Errorf("%s has no subtest %q of %s", t.Package, sub, name)
	}
	return nil
}

func (s *Sources) load(dir string) (*pkg, error) {
	if p := s.loaded[dir]; p != nil {
		return p, nil
	}
	files, err := filepath.Glob(filepath.Join(s.root, dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no tests in %s (%w)", dir, err)
	}
	p := &pkg{map[string]bool{}, map[string]bool{}}
	set := token.NewFileSet()
	for _, name := range files {
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					p.funcs[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if v, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					p.strings[v] = true
				}
			}
			return true
		})
	}
	s.loaded[dir] = p
	return p, nil
}
