package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// TestChangesElsewhere: what the other store's owner does is seen, and no plan that
// leads to nothing stays, but for a container's.
func TestChangesElsewhere(t *testing.T) {
	var id string
	root := elsewhere(t, func(o *Store) { id = imported(t, o, "localhost/x:1", ent{name: "f", uid: 1, gid: 1}) })
	var users []User
	s := beside(t, Options{Users: func(string) ([]User, error) { return users, nil }}, root)
	adopt := func() error {
		s = again(t, s)
		return second(s.Adopt(t.Context(), "localhost/x:1"))
	}
	if err := adopt(); err != nil {
		t.Fatal(err)
	}
	was, err := plan.Read(s.dirs, id)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(plan.ImagesFile(root))
	if err != nil {
		t.Fatal(err)
	}
	set := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(plan.ImagesFile(root)+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(plan.ImagesFile(root)+".new", plan.ImagesFile(root)); err != nil {
			t.Fatal(err)
		}
	}
	// Another name: the plan follows, and nothing is read again.
	set([]byte(strings.ReplaceAll(string(list), "localhost/x:1", "localhost/y:2")))
	if err := was.Fresh(); !errors.Is(err, plan.ErrChanged) {
		t.Error(err)
	}
	if err := adopt(); !errors.Is(err, ErrNotFound) {
		t.Error("it has the name no longer:", err)
	}
	if _, err := plan.Match(s.dirs, "localhost/x:1"); !errors.Is(err, plan.ErrNotFound) {
		t.Error("the name is left:", err)
	}
	if got, err := s.Adopt(t.Context(), "y:2"); err != nil || got != id {
		t.Error(got, err)
	}
	set(list)
	if err := adopt(); err != nil {
		t.Fatal(err)
	}
	// Gone, with a container, then without.
	set([]byte("[]"))
	users = []User{{Name: "c"}}
	if err := adopt(); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if p, err := plan.Read(s.dirs, id); err != nil || len(p.Names) > 0 {
		t.Error("the plan of a container's image:", p, err)
	}
	if n, err := s.Repair(t.Context()); err != nil || n != 0 {
		t.Error(n, err)
	}
	if _, err := plan.Read(s.dirs, id); err != nil {
		t.Error("repair takes a container's plan:", err)
	}
	users = nil
	if _, err := again(t, s).Adopt(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if ids, err := plan.IDs(s.dirs); err != nil || len(ids) > 0 {
		t.Error("plans left:", ids, err)
	}
	// The layer is another directory: the plan is made anew.
	set(list)
	if err := adopt(); err != nil {
		t.Fatal(err)
	}
	dir := was.Layers[0]
	if err := os.Rename(dir, dir+"-old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := adopt(); err != nil {
		t.Fatal(err)
	}
	if p, err := plan.Read(s.dirs, id); err != nil || p.Fresh() != nil || len(p.Shift) != 0 {
		t.Error("the plan is that of the old layer:", p, err)
	}
}

// TestNotInPlace: layers that overlay would show otherwise than they are meant are
// refused, with the way to have them.
func TestNotInPlace(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(store, diff string) error
		says  string
	}{
		"whiteouts of fuse-overlayfs": {func(_, diff string) error { return os.WriteFile(diff+"/d/.wh.x", nil, 0o600) }, "fuse-overlayfs"},
		"owners in attributes": {func(_, diff string) error {
			return unix.Setxattr(diff+"/f", "user.containers.override_stat", []byte("0:0:0755"), 0)
		}, "fuse-overlayfs"},
		"opaque for fuse-overlayfs": {func(_, diff string) error {
			return unix.Setxattr(diff+"/d", "user.fuseoverlayfs.opaque", []byte("y"), 0)
		}, "fuse-overlayfs"},
		"redirects": {func(_, diff string) error {
			return unix.Setxattr(diff+"/d", "user.overlay.redirect", []byte("/etc"), 0)
		}, "plain files"},
		"composefs": {func(_, diff string) error { return os.Mkdir(filepath.Dir(diff)+"/composefs-data", 0o700) }, "plain files"},
		"linked layer": {func(_, diff string) error {
			return second(0, errors.Join(os.Rename(diff, diff+"2"), os.Symlink("diff2", diff)))
		}, "layer"},
		"layer is missing": {func(_, diff string) error { return os.RemoveAll(diff) }, "layer"},
		"layers out of the store": {func(store, _ string) error {
			for _, f := range []string{"overlay-images/images.json", "overlay-layers/layers.json"} {
				b, err := os.ReadFile(filepath.Join(store, f))
				if err != nil {
					return err
				}
				at := strings.Index(string(b), `"layer":"`)
				key := `"layer":"`
				if at < 0 {
					key = `"id":"`
					at = strings.Index(string(b), key)
				}
				from := at + len(key)
				out := string(b[:from]) + "../../../../etc" + string(b[from+64:])
				if err := os.WriteFile(filepath.Join(store, f), []byte(out), 0o600); err != nil {
					return err
				}
			}
			return nil
		}, "layer"},
	} {
		t.Run(name, func(t *testing.T) {
			root := elsewhere(t, func(o *Store) { imported(t, o, "localhost/x:1", ent{name: "d", kind: '5'}, ent{name: "f"}) })
			diffs, err := filepath.Glob(root + "/overlay/*/diff")
			if err != nil || len(diffs) != 1 {
				t.Fatal(diffs, err)
			}
			if err := c.spoil(root, diffs[0]); err != nil {
				t.Fatal(err)
			}
			s := beside(t, Options{}, root)
			_, err = s.Adopt(t.Context(), "x:1")
			if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), c.says) {
				t.Fatal(err)
			}
			_, err = s.Pull(t.Context(), "localhost/x:1", PullOptions{Policy: PullMissing})
			if err == nil || !strings.Contains(err.Error(), "cannot be used in place") || !strings.Contains(err.Error(), "pull localhost/x:1") {
				t.Errorf("a store of Podman's configuration keeps from pulling: %v", err)
			}
			s.opts.StorageConf.Own = filepath.Join(t.TempDir(), "storage.conf")
			if err := os.WriteFile(s.opts.StorageConf.Own, []byte("[storage.options]\nadditionalimagestores = ['"+root+"']\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s = again(t, s)
			_, err = s.Pull(t.Context(), "localhost/x:1", PullOptions{Policy: PullMissing})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "pull localhost/x:1") {
				t.Errorf("what was asked for is pulled instead: %v", err)
			}
			if want := "burrow pull 'containers-storage:[overlay@" + root + "]localhost/x:1'"; !strings.Contains(hint.Of(err), want) {
				t.Errorf("hint %q, want %q", hint.Of(err), want)
			}
			if ids, err := plan.IDs(s.dirs); err != nil || len(ids) > 0 {
				t.Error(ids, err)
			}
		})
	}
}

// TestStrangersFiles: what belongs to somebody who is not in this user namespace is
// told from what belongs to an ID of the number that he is shown with.
func TestStrangersFiles(t *testing.T) {
	var top unix.Stat_t
	if err := unix.Stat("/etc", &top); err != nil {
		t.Fatal(err)
	}
	if top.Uid != overflow {
		t.Skip("root's files are among our own here")
	}
	for dir, want := range map[string]error{"/etc": errStrangers, t.TempDir(): nil} {
		root, err := sys.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := known(root); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", dir, err, want)
		}
		if err := root.Close(); err != nil {
			t.Fatal(err)
		}
	}
	etc, err := sys.OpenDir("/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer etc.Close()
	var st unix.Stat_t
	if err := unix.Stat("/etc/passwd", &st); err != nil {
		t.Fatal(err)
	}
	if err := usableFile(etc, "passwd", &st); !errors.Is(err, errStrangers) {
		t.Errorf("root's file: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/nobody", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir+"/nobody", overflow, overflow); errors.Is(err, unix.EINVAL) {
		return // not a number of ours
	} else if err != nil {
		t.Fatal(err)
	}
	own, err := sys.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if err := unix.Stat(dir+"/nobody", &st); err != nil {
		t.Fatal(err)
	}
	if err := usableFile(own, "nobody", &st); err != nil {
		t.Errorf("a file of an image's nobody: %v", err)
	}
}

// TestCommitInPlace: what stands on an image of another store is whole here.
func TestCommitInPlace(t *testing.T) {
	root := elsewhere(t, func(o *Store) { imported(t, o, "localhost/x:1", ent{name: "f", uid: 1, gid: 1}) })
	s := beside(t, Options{}, root)
	id, err := s.Adopt(t.Context(), "x:1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.CommitLayer(t.Context(), plan.Commit{Parent: id, Name: "localhost/new:1"}, strings.NewReader(string(tarOf(t, ent{name: "g"}))))
	if err != nil {
		t.Fatal(err)
	}
	if images, err := s.store.Images(); err != nil || len(images) != 1 || images[0].ID != got {
		t.Error("not the new image alone is stored", images, err)
	}
	if p, err := plan.Resolve(s.dirs, "x:1"); err != nil || p.Additional == nil {
		t.Error("what it stands on is no longer used in place", p, err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	s = again(t, s)
	if bad, err := s.Check(t.Context(), false); err != nil || len(bad) > 0 {
		t.Error(bad, err)
	}
	p, err := plan.Resolve(s.dirs, "new:1")
	if err != nil || p.ID != got || p.Additional != nil || len(p.Layers) != 2 {
		t.Error(p, err)
	}
}
