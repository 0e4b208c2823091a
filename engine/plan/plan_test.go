package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

func id(n int) string { return fmt.Sprintf("%02x%062x", n%256, n) }

func testDirs(t testing.TB) paths.Dirs {
	d := t.TempDir()
	return paths.Dirs{Data: filepath.Join(d, "data"), State: filepath.Join(d, "state"), Cache: filepath.Join(d, "cache"), Run: filepath.Join(d, "run")}
}

func write(t testing.TB, dirs paths.Dirs, n int, names ...string) {
	t.Helper()
	p := &Plan{Version: Version, ID: id(n), Digest: "sha256:" + id(n+100), Names: names, Layers: []string{"/l"}}
	if err := Write(dirs, p); err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	dirs := testDirs(t)
	write(t, dirs, 1, "localhost/deb:latest", "localhost/deb:v1")
	write(t, dirs, 2, "docker.io/library/busybox:latest")
	write(t, dirs, 3, "docker.io/acme/tool:2", "quay.io/deep/er/only:latest")
	write(t, dirs, 4, "quay.io/a/twice:latest")
	write(t, dirs, 5, "quay.io/b/twice:latest")
	write(t, dirs, 6, "registry:5000/x/y:latest")
	write(t, dirs, 7, "localhost/"+strings.Repeat("n", 400)+":latest")
	write(t, dirs, 171) // nameless; its ID starts with ab
	for _, tt := range []struct {
		ref  string
		want int
		err  error
	}{
		{"deb", 1, nil},
		{"deb:v1", 1, nil},
		{"deb:v2", 0, ErrNotFound},
		{"localhost/deb", 1, nil},
		{"localhost/deb:latest", 1, nil},
		{"busybox", 2, nil},
		{"library/busybox", 2, nil},
		{"docker.io/busybox", 2, nil},
		{"docker.io/library/busybox:latest", 2, nil},
		{"index.docker.io/busybox", 2, nil},
		{"acme/tool:2", 3, nil},
		{"acme/tool", 0, ErrNotFound},
		{"tool:2", 3, nil}, // any path that ends so
		{"er/only", 3, nil},
		{"r/only", 0, ErrNotFound}, // whole components only
		{"only", 3, nil},
		{"twice", 0, ErrAmbiguous},
		{"a/twice", 4, nil},
		{"registry:5000/x/y", 6, nil},
		{"x/y", 6, nil},
		{"deb@sha256:" + id(101), 1, nil},
		{"deb:anything@sha256:" + id(101), 1, nil},
		{"deb@sha256:" + id(102), 0, ErrNotFound},
		{strings.Repeat("n", 400), 7, nil},
		{id(171), 171, nil},
		{"sha256:" + id(171), 171, nil},
		{id(171)[:12], 171, nil},
		{"sha256:ab", 171, nil},
		{"ab0", 171, nil},
		{"ab", 0, ErrNotFound}, // too short
		{"fff", 0, ErrNotFound},
		{id(99), 0, ErrNotFound},
		{"", 0, ErrName},
		{"../../etc/passwd", 0, ErrName},
		{"/etc/passwd", 0, ErrName},
		{"a//b", 0, ErrName},
		{"Deb", 0, ErrName},
		{"deb:", 0, ErrName},
		{"deb@md5:11", 0, ErrName},
		{"deb\n", 0, ErrName},
		{"%abc", 0, ErrName},
	} {
		p, err := Resolve(dirs, tt.ref)
		switch {
		case tt.err != nil && !errors.Is(err, tt.err):
			t.Errorf("%q: %v, want %v", tt.ref, err, tt.err)
		case tt.err == nil && err != nil:
			t.Errorf("%q: %v", tt.ref, err)
		case tt.err == nil && p.ID != id(tt.want):
			t.Errorf("%q: image %s, want %d", tt.ref, p.ID, tt.want)
		}
	}
}

func TestNamesMove(t *testing.T) {
	dirs := testDirs(t)
	write(t, dirs, 1, "localhost/x:latest")
	write(t, dirs, 2, "localhost/x:latest")
	if p, err := Resolve(dirs, "x"); err != nil || p.ID != id(2) {
		t.Fatalf("%v %v", p, err)
	}
	if err := Unname(dirs, "localhost/x:latest", id(1)); err != nil { // no longer its name
		t.Fatal(err)
	}
	if _, err := Resolve(dirs, "x"); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dirs, id(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(dirs, "x"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if refs, _ := References(dirs); len(refs) != 1 { // image 1 keeps its digest reference
		t.Fatal(refs)
	}
}

func TestDamaged(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"empty":      {"", ErrDamaged},
		"not JSON":   {"{", ErrDamaged},
		"newer":      {fmt.Sprintf(`{"version":99,"id":%q}`, id(1)), ErrNewer},
		"other":      {fmt.Sprintf(`{"version":1,"id":%q}`, id(2)), ErrDamaged},
		"no version": {fmt.Sprintf(`{"id":%q}`, id(1)), ErrDamaged},
		"index":      {fmt.Sprintf(`{"version":1,"id":%q,"layers":["/a"],"shift":[{"path":"/x","layer":1}]}`, id(1)), ErrDamaged},
		"path":       {fmt.Sprintf(`{"version":1,"id":%q,"layers":["/a"],"shift":[{"path":"/x/../../y"}]}`, id(1)), ErrDamaged},
		"layer":      {fmt.Sprintf(`{"version":1,"id":%q,"layers":["a:b"]}`, id(1)), ErrDamaged},
	} {
		dirs := testDirs(t)
		write(t, dirs, 1, "localhost/x:latest")
		if err := os.WriteFile(file(dirs, id(1)), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Resolve(dirs, "x")
		if !errors.Is(err, tt.want) || !strings.Contains(hint.Of(err), RepairCommand) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v (hint %q)", name, err, hint.Of(err))
		}
		if err := os.Remove(file(dirs, id(1))); err != nil {
			t.Fatal(err)
		}
		if _, err := Resolve(dirs, "x"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: missing plan: %v", name, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"a", "a/b:c", "localhost/a@sha256:" + id(1), "r:5000/x", "a:b/c", "..", "A.b/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseName(s)
		if err != nil {
			return
		}
		for _, c := range n.candidates() {
			if r := refFile(c); strings.Contains(r, "/") || r == "." || r == ".." || len(r) > 255 {
				t.Errorf("%q: file name %q", s, r)
			}
			if again, err := parseName(c); err != nil || again.String() != c {
				t.Errorf("%q: %q does not stand for itself: %v %v", s, c, again, err)
			}
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	dirs := testDirs(b)
	for i := range 500 {
		write(b, dirs, i, fmt.Sprintf("quay.io/team/image%d:latest", i))
	}
	write(b, dirs, 1000, "localhost/deb:latest")
	for _, ref := range []string{"deb", "quay.io/team/image77", "image77", id(77)} {
		b.Run(ref, func(b *testing.B) {
			for b.Loop() {
				if _, err := Resolve(dirs, ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
