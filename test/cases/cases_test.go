package cases

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func TestRowsAreComplete(t *testing.T) {
	ids, cves := map[string]bool{}, map[string]string{}
	for _, r := range Rows() {
		if !regexp.MustCompile(`^V\d\d$`).MatchString(r.ID) || ids[r.ID] {
			t.Errorf("%s: no ID, or twice", r.ID)
		}
		ids[r.ID] = true
		for _, c := range r.CVEs {
			if !regexp.MustCompile(`^CVE-\d{4}-\d{4,}$`).MatchString(c) || cves[c] != "" {
				t.Errorf("%s: %s is no number, or also in %s", r.ID, c, cves[c])
			}
			cves[c] = r.ID
		}
		if why := incomplete(r); why != "" {
			t.Errorf("%s: %s", r.ID, why)
		}
	}
	// Numbers that code and tests name are in the table, or no attack of ours.
	mentioned := regexp.MustCompile(`CVE-\d{4}-\d{4,}`)
	walk(t, func(path, text string) {
		for _, c := range mentioned.FindAllString(text, -1) {
			if cves[c] == "" && !strings.HasPrefix(path, filepath.Join(root, "test", "cases")) {
				t.Errorf("%s names %s, which has no row", path, c)
			}
		}
	})
}

// incomplete says what a row lacks.
func incomplete(r Row) string {
	switch {
	case r.Class == "" || r.Attack == "":
		return "no class or attack"
	case len(r.Tests) == 0 && r.Awaits == "" && r.Absent == "":
		return "neither tests nor a reason"
	case len(r.Tests) > 0 && r.Control == "" && len(r.Breaks) == 0:
		return "no control"
	case strings.ContainsAny(r.Attack+r.Control+r.Awaits+r.Absent, "|\n"):
		return "breaks the table"
	}
	return ""
}

func TestIncompleteRowsAreSeen(t *testing.T) {
	for name, r := range map[string]Row{
		"nothing":    {},
		"no reason":  {Class: Path, Attack: "x"},
		"no control": {Class: Path, Attack: "x", Tests: []Test{cmd("TestInvariant")}},
		"a bar":      {Class: Path, Attack: "x|y", Awaits: "z"},
	} {
		if incomplete(r) == "" {
			t.Errorf("%s passes", name)
		}
	}
}

func TestTestsExist(t *testing.T) {
	s := NewSources(root)
	for _, r := range Rows() {
		for _, test := range r.Tests {
			if err := s.Check(test); err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
		}
	}
	for _, m := range Breaks() {
		if err := s.Check(m.Test); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	for _, no := range []Test{cmd("TestNone"), script("none"), cmd("TestInvariant/I99"), in("none", "TestX")} {
		if s.Check(no) == nil {
			t.Errorf("%v exists", no)
		}
	}
}

// Each break must still find what it breaks.
func TestBreaksApply(t *testing.T) {
	for _, m := range Breaks() {
		text, err := os.ReadFile(filepath.Join(root, m.File))
		if n := strings.Count(string(text), m.Old); err != nil || n != 1 || m.Old == m.New {
			t.Errorf("%s: %s has %d of %q (%v)", m.Name, m.File, n, m.Old, err)
		}
	}
}

func TestDocumentIsGenerated(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Document(string(doc), Rows())
	if err != nil {
		t.Fatal(err)
	}
	if want != string(doc) {
		t.Error("docs/security.md has another table: go run ./hack/cases doc")
	}
	if again, err := Document(want, Rows()[1:]); err != nil || again == want {
		t.Errorf("a row less makes no difference: %v", err)
	}
	if _, err := Document("no markers", Rows()); err == nil {
		t.Error("a document without markers passes")
	}
}

// Tests that the document names elsewhere exist too.
func TestDocumentNamesTests(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	walk(t, func(path, text string) {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(text, -1) {
				all[m[1]] = true
			}
		}
		if strings.HasSuffix(path, ".txtar") {
			all[filepath.Base(path)] = true
		}
	})
	for _, m := range regexp.MustCompile("`(Test\\w+|[\\w-]+\\.txtar)(/[^`]*)?`").FindAllStringSubmatch(string(doc), -1) {
		if !all[m[1]] {
			t.Errorf("docs/security.md names %s, which is not there", m[1])
		}
	}
	if all["TestNone"] || len(all) < 300 {
		t.Errorf("%d tests found", len(all))
	}
}

// walk reads the sources.
func walk(t *testing.T, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base != ".." && strings.HasPrefix(base, ".") || base == "bin" {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".c", ".h", ".txtar":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f(path, string(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
