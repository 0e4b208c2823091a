package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/plan"
)

func imported(t testing.TB, s *Store, name string, ents ...ent) string {
	t.Helper()
	id, err := s.Import(context.Background(), bytes.NewReader(tarOf(t, ents...)), ImportOptions{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestImport(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe"})
	id, err := s.Import(t.Context(), bytes.NewReader(tarOf(t, ent{name: "f"})), ImportOptions{
		Name: "quay.io/me/app:v1", Message: "from a test",
		Changes: []string{
			"CMD ls -l", `ENTRYPOINT ["/bin/a", "b c"]`, "ENV A=1 B=\"two words\"", "ENV C three words", "env A=4",
			"EXPOSE 80 53/udp", "LABEL k=v l='w x'", "STOPSIGNAL SIGINT", "USER 1:2", "VOLUME /data /more",
			`VOLUME ["/json"]`, "WORKDIR /w", "ONBUILD RUN x", "CMD=pwd",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Resolve(s.dirs, "app:v1")
	if err != nil || p.ID != id {
		t.Fatal(p, err)
	}
	c := p.Config
	for what, ok := range map[string]bool{
		"cmd":        slices.Equal(c.Cmd, []string{"/bin/sh", "-c", "pwd"}),
		"entrypoint": slices.Equal(c.Entrypoint, []string{"/bin/a", "b c"}),
		"env":        slices.Equal(c.Env, []string{"A=4", "B=two words", "C=three words"}),
		"ports":      slices.Equal(c.ExposedPorts, []string{"53/udp", "80/tcp"}),
		"labels":     c.Labels["k"] == "v" && c.Labels["l"] == "w x",
		"rest":       c.StopSignal == "SIGINT" && c.User == "1:2" && c.WorkingDir == "/w",
		"volumes":    slices.Equal(c.Volumes, []string{"/data", "/json", "/more"}),
	} {
		if !ok {
			t.Errorf("%s: %+v", what, c)
		}
	}
	in, err := s.Inspect(t.Context(), id[:12])
	if err != nil || in.Comment != "from a test" || !slices.Equal(in.Config.OnBuild, []string{"RUN x"}) || in.RepoTags[0] != "quay.io/me/app:v1" {
		t.Errorf("%+v %v", in, err)
	}
}

func TestBadChanges(t *testing.T) {
	s := openStore(t, Options{})
	for _, change := range []string{"", "CMD", "NOPE x", "ENV novalue", "EXPOSE 80/quic", "EXPOSE x", "WORKDIR rel", `LABEL k="open`, "=x", `VOLUME [""]`} {
		if _, err := s.Import(t.Context(), bytes.NewReader(nil), ImportOptions{Changes: []string{change}}); err == nil {
			t.Errorf("%q was accepted", change)
		}
	}
}

func TestTagUntagRemove(t *testing.T) {
	s := openStore(t, Options{})
	a, b := imported(t, s, "one", ent{name: "a"}), imported(t, s, "two", ent{name: "b"})
	resolves := func(ref, want string) {
		t.Helper()
		p, err := plan.Resolve(s.dirs, ref)
		if want == "" && errors.Is(err, plan.ErrNotFound) {
			return
		}
		if err != nil || p.ID != want {
			t.Errorf("%s: %v %v", ref, p, err)
		}
	}
	if err := s.Tag(t.Context(), "one", []string{"three", "two", "quay.io/x/y:z"}); err != nil { // takes two
		t.Fatal(err)
	}
	resolves("three", a)
	resolves("two", a)
	resolves("y:z", a)
	if p, err := plan.Read(s.dirs, b); err != nil || len(p.Names) != 0 {
		t.Error("the plan of the other image still has the name", p, err)
	}
	if err := untagged(t, s, a, []string{"two"}); err != nil {
		t.Fatal(err)
	}
	resolves("two", "")
	if err := untagged(t, s, "one", []string{"other"}); !errors.Is(err, ErrNoName) {
		t.Error(err)
	}
	if r, err := s.Remove(t.Context(), "three", RemoveOptions{}); err != nil || r.Deleted != "" || r.Untagged[0] != "localhost/three:latest" {
		t.Error(r, err)
	}
	if _, err := s.Remove(t.Context(), a[:12], RemoveOptions{}); !errors.Is(err, ErrNames) {
		t.Error(err)
	}
	if r, err := s.Remove(t.Context(), a[:12], RemoveOptions{Force: true}); err != nil || r.Deleted != a || len(r.Untagged) != 2 {
		t.Error(r, err)
	}
	resolves("one", "")
	if r, err := s.Remove(t.Context(), b, RemoveOptions{}); err != nil || r.Deleted != b {
		t.Error(r, err)
	}
	if _, err := s.Remove(t.Context(), "one", RemoveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	empty(t, s)
}

func TestInUse(t *testing.T) {
	var by []User
	s := openStore(t, Options{Users: func(string) ([]User, error) { return by, nil }})
	imported(t, s, "x", ent{name: "a"})
	by = []User{{Name: "web"}, {Name: "db"}}
	if _, err := s.Remove(t.Context(), "x", RemoveOptions{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "web") {
		t.Error(err)
	}
	if gone, err := s.Prune(t.Context(), func(*Summary) bool { return true }); err != nil || len(gone) > 0 {
		t.Error(gone, err)
	}
	by[1].Running = true
	if _, err := s.Remove(t.Context(), "x", RemoveOptions{Force: true}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "db") || strings.Contains(err.Error(), "web") {
		t.Error(err)
	}
	by[1].Running = false
	if _, err := s.Remove(t.Context(), "x", RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

func TestFilters(t *testing.T) {
	s := openStore(t, Options{})
	var ids []string
	for i, name := range []string{"localhost/old", "quay.io/team/app:v1", ""} {
		id, err := s.Import(t.Context(), bytes.NewReader(tarOf(t, ent{name: fmt.Sprint(i)})), ImportOptions{
			Name: name, Changes: []string{fmt.Sprintf("LABEL n=%d", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		time.Sleep(5 * time.Millisecond)
	}
	for filters, want := range map[string]string{
		"":                            "012",
		"dangling=true":               "2",
		"dangling=false":              "01",
		"reference=old":               "0",
		"reference=*/*/app":           "1",
		"reference=app:v1":            "1",
		"reference=app:v*":            "1",
		"reference=nothing":           "",
		"reference=old reference=app": "01",
		"label=n":                     "012",
		"label=n=1":                   "1",
		"label=n label=n=2":           "2",
		"label!=n=1":                  "02",
		"before=app:v1":               "0",
		"since=app:v1":                "2",
		"after=old dangling=false":    "1",
		"id=" + ids[1][:9]:            "1",
		"until=1h":                    "",
		"until=0s":                    "012",
		"label=n=0 reference=app":     "",
	} {
		f, err := s.NewFilter(strings.Fields(filters))
		if err != nil {
			t.Errorf("%s: %v", filters, err)
			continue
		}
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, i := range list {
			if f.Match(&i) {
				got = fmt.Sprint(slices.Index(ids, i.ID)) + got // List has the newest first
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", filters, got, want)
		}
	}
	for _, bad := range []string{"x", "nope=1", "dangling=maybe", "before=absent", "until=yesterday", "reference=[", "reference="} {
		if _, err := s.NewFilter([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestSaveLoad: what is saved and loaded again is the same image, bit by bit.
func TestSaveLoad(t *testing.T) {
	s := openStore(t, Options{})
	id := load(t, s, newOCIDir(t).
		layer(tarOf(t, ent{name: "d", kind: '5'}, ent{name: "d/f", data: strings.Repeat("content", 10_000)}, ent{name: "h", kind: '1', link: "d/f"})).
		layer(tarOf(t, ent{name: "d/.wh.f"}, ent{name: "g", data: "x"})))
	if err := s.Tag(t.Context(), id, []string{"a:1", "b:2"}); err != nil {
		t.Fatal(err)
	}
	for _, format := range []Format{FormatDockerArchive, FormatOCIArchive, FormatOCIDir, FormatDockerDir} {
		t.Run(string(format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			refs := []string{"a:1"}
			if format == FormatDockerArchive {
				refs = []string{"a:1", "b:2"}
			}
			if err := s.Save(t.Context(), refs, path, SaveOptions{Format: format}); err != nil {
				t.Fatal(err)
			}
			other := openStore(t, Options{})
			loaded, err := other.Load(t.Context(), path)
			if err != nil || loaded[0].ID != id {
				t.Fatal(loaded, err)
			}
			if want := map[Format]int{FormatDockerArchive: 2, FormatDockerDir: 0}; format != FormatOCIDir && format != FormatOCIArchive && len(loaded[0].Names) != want[format] {
				t.Error(loaded[0].Names)
			}
		})
	}
	if err := s.Save(t.Context(), []string{"a:1", "b:2"}, "x", SaveOptions{Format: FormatOCIDir}); !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
	if err := s.Save(t.Context(), []string{"absent"}, "x", SaveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestRepair(t *testing.T) {
	s := openStore(t, Options{})
	id := imported(t, s, "x", ent{name: "f", uid: 1})
	before, err := plan.Read(s.dirs, id)
	if err != nil {
		t.Skip(err)
	}
	for _, d := range []string{s.dirs.Plans(), s.dirs.Refs(), filepath.Join(s.dirs.Data, "layers")} {
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
	stray := &plan.Plan{Version: plan.Version, ID: strings.Repeat("a", 64), Names: []string{"localhost/stray:latest"}}
	if err := plan.Write(s.dirs, stray); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Repair(t.Context()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	after, err := plan.Resolve(s.dirs, "x")
	if err != nil || show(after.Shift) != show(before.Shift) {
		t.Error(after, err)
	}
	if _, err := plan.Resolve(s.dirs, "stray"); !errors.Is(err, plan.ErrNotFound) {
		t.Error(err)
	}
}

// TestPruneCollects removes layers that a killed command left.
func TestPruneCollects(t *testing.T) {
	s := openStore(t, Options{})
	keep := imported(t, s, "keep", ent{name: "a"})
	l, err := s.stage(t.Context(), bytes.NewReader(tarOf(t, ent{name: "orphan"})), claim{})
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := s.commit("", l)
	if err != nil {
		t.Fatal(err)
	}
	dangling := imported(t, s, "", ent{name: "b"})
	gone, err := s.Prune(t.Context(), func(i *Summary) bool { return len(i.Names) == 0 })
	if err != nil || !slices.Equal(gone, []string{dangling}) {
		t.Error(gone, err)
	}
	if s.hasLayer(orphan) {
		t.Error("the orphan is still there")
	}
	if ok, err := s.Exists(keep); !ok || err != nil {
		t.Error(err)
	}
}

// TestAtOnce: many imports and loads of the same and of other content.
func TestAtOnce(t *testing.T) {
	s := openStore(t, Options{})
	shared := newOCIDir(t).layer(tarOf(t, ent{name: "base", data: "x"})).layer(tarOf(t, ent{name: "top"})).write()
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for i := range 10 {
		wg.Go(func() {
			_, err := s.Load(context.Background(), shared)
			errs <- err
		})
		wg.Go(func() {
			_, err := s.Import(context.Background(), bytes.NewReader(tarOf(t, ent{name: fmt.Sprint(i % 3)})), ImportOptions{Name: "n"})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(s.dirs.Storage(), "overlay/staging/*")); len(left) > 0 {
		t.Error("left behind", left)
	}
	if _, err := plan.Resolve(s.dirs, "n"); err != nil {
		t.Error(err)
	}
}

func TestSpool(t *testing.T) {
	s := openStore(t, Options{})
	path, err := s.Spool(t.Context(), strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "hello" || !strings.HasPrefix(path, s.dirs.Storage()) {
		t.Error(path, err)
	}
	if _, err := s.Spool(t.Context(), io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))); err == nil {
		t.Error("a broken reader was spooled")
	}
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
	empty(t, s)
}

func untagged(t *testing.T, s *Store, ref string, names []string) error {
	t.Helper()
	_, err := s.Untag(t.Context(), ref, names)
	return err
}
