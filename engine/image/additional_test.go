package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// elsewhere fills a store and returns where it lies then: under another name, for one
// process has a store open in one way only.
func elsewhere(t *testing.T, fill func(*Store)) string {
	t.Helper()
	o := openStore(t, Options{})
	fill(o)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(filepath.Dir(o.dirs.Data), "elsewhere")
	if err := os.Rename(o.root, root); err != nil {
		t.Fatal(err)
	}
	return root
}

// beside opens an empty store that has others beside it.
func beside(t *testing.T, opts Options, roots ...string) *Store {
	t.Helper()
	opts.Getenv = func(key string) string {
		if key != envStorageOpts {
			return ""
		}
		return "overlay.mountopt=nodev,overlay.imagestore=" + strings.Join(roots, ",overlay.additionalimagestore=")
	}
	return openStore(t, opts)
}

// again is the same store as another process sees it.
func again(t *testing.T, s *Store) *Store {
	t.Helper()
	n, err := Open(s.dirs, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// snapshot is all there is to see of a directory from outside.
func snapshot(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintln(&out, path, st.Ino, st.Mode, st.Size, st.Ctim)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestInPlace: an image of another store is read in every way, and nothing is
// written there, nor copied here.
func TestInPlace(t *testing.T) {
	var id, base string
	root := elsewhere(t, func(o *Store) {
		base = imported(t, o, "quay.io/x/base:1", ent{name: "d", kind: '5'}, ent{name: "d/gone"}, ent{name: "own", uid: 3, gid: 4, data: "data"})
		id = load(t, o, newOCIDir(t).
			layer(tarOf(t, ent{name: "etc", kind: '5'}, ent{name: "etc/passwd", data: "u:x:7:8::/:/bin/sh\n"}, ent{name: "old", uid: 9, gid: 9})).
			layer(tarOf(t, ent{name: ".wh.old"}, ent{name: "new", uid: 5, gid: 6, data: "new"})))
		if err := o.Tag(t.Context(), id, []string{"quay.io/x/app:v1"}); err != nil {
			t.Fatal(err)
		}
	})
	before := snapshot(t, root)
	s := beside(t, Options{}, root)
	list, err := s.List()
	if err != nil || len(list) != 2 || !list[0].ReadOnly || !list[1].ReadOnly {
		t.Fatal(list, err)
	}
	for _, ref := range []string{"quay.io/x/app:v1", "app:v1", id, id[:12], "sha256:" + id} {
		s = again(t, s)
		got, err := s.Pull(t.Context(), ref, PullOptions{Policy: PullNever})
		if err != nil || got[0] != id {
			t.Errorf("%s: %v %v", ref, got, err)
		}
	}
	p, err := plan.Resolve(s.dirs, "quay.io/x/app:v1")
	if err != nil || p.Additional == nil || p.Additional.Root != root || len(p.Layers) != 2 || !strings.HasPrefix(p.Layers[0], root+"/overlay/") {
		t.Fatalf("%+v %v", p, err)
	}
	if err := p.Fresh(); err != nil {
		t.Error(err)
	}
	if len(p.Shift) != 1 || p.Shift[0].Path != "/new" || p.Shift[0].UID != 5 || !slices.Equal(p.UIDs, []uint32{5, 7}) || !slices.Equal(p.GIDs, []uint32{6, 8}) {
		t.Errorf("owners: %+v %v %v", p.Shift, p.UIDs, p.GIDs)
	}
	in, err := s.Inspect(t.Context(), "app:v1")
	if err != nil || in.ID != id || in.GraphDriver.Data["UpperDir"] != p.Layers[0] {
		t.Error(in, err)
	}
	if steps, err := s.History(id); err != nil || len(steps) == 0 || steps[0].ID != id {
		t.Error(steps, err)
	}
	if tree, err := s.Tree("app:v1", false); err != nil || len(tree.Layers) != 2 {
		t.Error(tree, err)
	}
	if d, err := s.Diff(t.Context(), "app:v1", ""); err != nil || !slices.Equal(d.Deleted, []string{"/old"}) || !slices.Equal(d.Added, []string{"/new"}) {
		t.Error(d, err)
	}
	if ok, err := s.Exists("base:1"); !ok || err != nil {
		t.Error(ok, err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := s.Save(t.Context(), []string{"app:v1", "base:1"}, out, SaveOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := s.Push(t.Context(), "app:v1", "oci:"+out+"-oci", PushOptions{}); err != nil {
		t.Error(err)
	}
	if loaded, err := openStore(t, Options{}).Load(t.Context(), out); err != nil || len(loaded) != 2 || loaded[0].ID != id {
		t.Error(loaded, err)
	}
	for what, err := range map[string]error{
		"tag": s.Tag(t.Context(), "app:v1", []string{"mine"}), "untag": untagged(t, s, "app:v1", nil),
		"remove": second(s.Remove(t.Context(), "app:v1", RemoveOptions{})), "force": second(s.Remove(t.Context(), base, RemoveOptions{Force: true})),
	} {
		if !errors.Is(err, ErrReadOnly) || hint.Of(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if gone, err := s.Prune(t.Context(), func(*Summary) bool { return true }); err != nil || len(gone) > 0 {
		t.Error(gone, err)
	}
	if bad, err := s.Check(t.Context(), false); err != nil || len(bad) > 0 {
		t.Error(bad, err)
	}
	if n, err := s.Repair(t.Context()); err != nil || n != 0 {
		t.Error(n, err)
	}
	nothingHere(t, s)
	if snapshot(t, root) != before {
		t.Error("the other store has changed")
	}
}

func second[T any](_ T, err error) error { return err }

// nothingHere fails if the own store has anything.
func nothingHere(t *testing.T, s *Store) {
	t.Helper()
	if images, err := s.store.Images(); err != nil || len(images) > 0 {
		t.Errorf("images of our own: %d %v", len(images), err)
	}
	if layers, err := s.store.Layers(); err != nil || len(layers) > 0 {
		t.Errorf("layers of our own: %d %v", len(layers), err)
	}
}

// TestOwnBeforeOthers: names and images that are here are those that are meant.
func TestOwnBeforeOthers(t *testing.T) {
	var shared, theirs, later string
	first := elsewhere(t, func(o *Store) {
		shared = load(t, o, newOCIDir(t).layer(tarOf(t, ent{name: "same"})))
		if err := errors.Join(o.Tag(t.Context(), shared, []string{"localhost/theirs:1", "localhost/both:1"}), untagged(t, o, shared, []string{"localhost/test"})); err != nil {
			t.Fatal(err)
		}
		theirs = imported(t, o, "localhost/name:1", ent{name: "theirs"})
		if err := o.Tag(t.Context(), theirs, []string{"localhost/extra:1"}); err != nil {
			t.Fatal(err)
		}
	})
	secondRoot := elsewhere(t, func(o *Store) {
		later = imported(t, o, "localhost/name:1", ent{name: "later"})
		imported(t, o, "localhost/other:1", ent{name: "other"})
	})
	s := beside(t, Options{}, first, first, secondRoot)
	is := func(ref, want string) {
		t.Helper()
		if m, err := plan.Match(s.dirs, ref); err != nil || m.ID != want {
			t.Errorf("%s: %v %v, want %s", ref, m, err, want)
		}
	}
	adopted := func(ref, want string) {
		t.Helper()
		s = again(t, s)
		id, err := s.Adopt(t.Context(), ref)
		if err != nil || id != want {
			t.Errorf("%s: %s %v, want %s", ref, id, err, want)
		}
		is(ref, want)
	}
	adopted("name:1", theirs) // the first store's
	p, err := plan.Resolve(s.dirs, "other:1")
	if !errors.Is(err, plan.ErrNotFound) {
		t.Error("what nobody has asked for has a plan", p, err)
	}
	if same := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "same"}))); same != shared {
		t.Fatal(same)
	}
	if err := errors.Join(s.Tag(t.Context(), shared, []string{"localhost/both:1"}), untagged(t, s, shared, []string{"localhost/test"})); err != nil {
		t.Fatal(err)
	}
	adopted("both:1", shared)
	adopted("theirs:1", shared)
	if p, err := plan.Resolve(s.dirs, "theirs:1"); err != nil || p.Additional != nil {
		t.Error("the image that is here is used there", p, err)
	}
	if _, err := s.Remove(t.Context(), "theirs:1", RemoveOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Error("removed by a name that it has elsewhere:", err)
	}
	adopted(later, later)
	is("name:1", theirs) // which the later one does not take
	mine := imported(t, s, "localhost/name:1", ent{name: "mine"})
	adopted("name:1", mine)
	if err := plan.Remove(s.dirs, theirs); err != nil {
		t.Fatal(err)
	}
	adopted("extra:1", theirs)
	is("name:1", mine)
	list, err := again(t, s).List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range list {
		got = append(got, fmt.Sprintf("%v%t", i.Names, i.ReadOnly))
	}
	slices.Sort(got)
	want := []string{"[]true", "[localhost/both:1]false", "[localhost/extra:1]true", "[localhost/name:1]false", "[localhost/other:1]true", "[localhost/theirs:1]true"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r, err := s.Remove(t.Context(), "name:1", RemoveOptions{}); err != nil || r.Deleted != mine {
		t.Error(r, err)
	}
	adopted("name:1", theirs)
	briefly := imported(t, s, "localhost/name:1", ent{name: "briefly"})
	if r, err := s.Remove(t.Context(), briefly, RemoveOptions{}); err != nil || r.Deleted != briefly {
		t.Error(r, err)
	}
	adopted("name:1", theirs)
	if r, err := s.Remove(t.Context(), "both:1", RemoveOptions{}); err != nil || r.Deleted != shared {
		t.Error(r, err)
	}
	adopted("both:1", shared)
	if p, err := plan.Read(s.dirs, shared); err != nil || p.Additional == nil {
		t.Error("not the one that is left", p, err)
	}
}

// TestNoStore: what is no store that can be used is left out, and said where an image
// is missing.
func TestNoStore(t *testing.T) {
	root := elsewhere(t, func(o *Store) { imported(t, o, "localhost/x:1", ent{name: "f"}) })
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"relative/path", t.TempDir(), "/nowhere", file, "/dev/null", "/", filepath.Dir(root)} {
		s := beside(t, Options{}, bad, link)
		if id, err := s.Adopt(t.Context(), "x:1"); err != nil || id == "" {
			t.Errorf("%s spoils the other: %v", bad, err)
		}
		if list, err := s.List(); err != nil || len(list) != 1 {
			t.Errorf("%s: %v %v", bad, list, err)
		}
		if _, err := s.Adopt(t.Context(), "y:1"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	s := beside(t, Options{}, link)
	if _, err := s.Adopt(t.Context(), "x:1"); err != nil {
		t.Error(err)
	}
	if p, err := plan.Resolve(s.dirs, "x:1"); err != nil || p.Additional.Root != root {
		t.Error("a link is in the plan", p, err)
	}
	own := openStore(t, Options{})
	own.opts.Getenv = func(string) string { return "imagestore=" + own.root }
	if list, err := own.List(); err != nil || len(list) > 0 || len(own.beside) > 0 {
		t.Error("the own store is its neighbour", list, err)
	}
}

// TestPrefixAcrossStores: the start of an ID that images of two other stores have is
// no name for either.
func TestPrefixAcrossStores(t *testing.T) {
	var roots []string
	for i := range 2 {
		roots = append(roots, elsewhere(t, func(o *Store) {
			imported(t, o, "", ent{name: "f"})
			if _, err := o.store.CreateImage("abc"+strings.Repeat(fmt.Sprint(i), 61), nil, "", "", nil); err != nil {
				t.Fatal(err)
			}
		}))
	}
	s := beside(t, Options{}, roots...)
	for prefix, want := range map[string]string{"abc": "", "sha256:abc": "", "abc0": "abc0", "abc1": "abc1"} {
		f, err := s.lookup(prefix)
		if want == "" && !errors.Is(err, plan.ErrAmbiguous) || want != "" && (err != nil || !strings.HasPrefix(f.img.ID, want)) {
			t.Errorf("%s: %v %v", prefix, f, err)
		}
	}
}
