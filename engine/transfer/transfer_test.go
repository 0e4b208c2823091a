package transfer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
)

func TestNamesThatLeadOut(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "./a": "a", "/a": "a", "a//b/": "a/b", ".": ".", "./": ".", "/": ".", "..a": "..a", "a/...": "a/...",
	} {
		if got, err := cleanName(name); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "..", "a/../b", "/..", "a/..", "../../etc", "a\x00b", strings.Repeat("a/", 2000), strings.Repeat("x", 5000)} {
		if got, err := cleanName(name); !errors.Is(err, ErrArchive) {
			t.Errorf("%.20q: %q, %v; want ErrArchive", name, got, err)
		}
	}
}

func TestOwnersAreUnshifted(t *testing.T) {
	o := Owners{
		UIDs: idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 5000, Count: 1023}},
		GIDs: idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 6000, Count: 1023}},
	}
	if u, g := o.inner(5032, 6032); u != 33 || g != 33 {
		t.Errorf("got %d:%d", u, g)
	}
	if u, g := o.inner(1, 9999); u != nobody || g != nobody {
		t.Errorf("a stranger shows as %d:%d", u, g)
	}
	if u, g, err := o.Outer(33, 0); err != nil || u != 5032 || g != 0 {
		t.Errorf("got %d:%d, %v", u, g, err)
	}
	if _, _, err := o.Outer(0, 5000); !errors.Is(err, ErrUnmapped) {
		t.Errorf("got %v", err)
	}
}

// TestTreeSurvives copies a tree through tar and back.
func TestTreeSurvives(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "a", "file"), "content")
	must(t, os.Chmod(filepath.Join(from, "a", "file"), 0o751))
	must(t, os.Link(filepath.Join(from, "a", "file"), filepath.Join(from, "hard")))
	must(t, os.Symlink("/nowhere", filepath.Join(from, "link")))
	must(t, unix.Mkfifo(filepath.Join(from, "pipe"), 0o600))
	must(t, os.Mkdir(filepath.Join(from, "empty"), 0o700))
	when := time.Unix(1e9, 0)
	must(t, os.Chtimes(filepath.Join(from, "a"), when, when))

	var b bytes.Buffer
	sink := NewTarSink(&b)
	walker := Walker{}
	must(t, walker.Walk(t.Context(), open(t, from), "top", sink))
	must(t, sink.Close())
	w := Writer{Base: open(t, to)}
	must(t, ReadTar(t.Context(), &b, &w))
	must(t, w.Close())

	want := []string{"top", "top/a", "top/a/file", "top/empty", "top/hard", "top/link", "top/pipe"}
	if got := listing(t, to); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	top := filepath.Join(to, "top")
	one, err := os.Stat(filepath.Join(top, "a", "file"))
	must(t, err)
	two, err := os.Stat(filepath.Join(top, "hard"))
	must(t, err)
	if one.Mode() != 0o751 || !os.SameFile(one, two) || read(t, filepath.Join(top, "hard")) != "content" {
		t.Errorf("mode %v, same file %v", one.Mode(), os.SameFile(one, two))
	}
	if info, err := os.Stat(filepath.Join(top, "a")); err != nil || !info.ModTime().Equal(when) {
		t.Errorf("%v, time %v, want %v", err, info.ModTime(), when)
	}
	if target, _ := os.Readlink(filepath.Join(top, "link")); target != "/nowhere" {
		t.Errorf("link to %q", target)
	}
}

func TestSetIDStaysInContainers(t *testing.T) {
	dir := t.TempDir()
	w := Writer{Base: open(t, dir)}
	must(t, w.Put(file("f", "x", 0o6755)))
	must(t, w.Put(directory("d", 0o3777)))
	w.KeepSetID = true
	must(t, w.Put(file("kept", "x", 0o4755)))
	for name, want := range map[string]uint32{"f": 0o755, "d": 0o1777, "kept": 0o4755} {
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, name), &st))
		if st.Mode&0o7777 != want {
			t.Errorf("%s has mode %o, want %o", name, st.Mode&0o7777, want)
		}
	}
}

func TestKindsAreNotMixedUp(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "d", "x"), "")
	write(t, filepath.Join(dir, "f"), "old")
	w := Writer{Base: open(t, dir)}
	if err := w.Put(file("d", "", 0o644)); !errors.Is(err, ErrDirectory) {
		t.Errorf("got %v", err)
	}
	if err := w.Put(directory("f", 0o755)); !errors.Is(err, ErrNotDirectory) {
		t.Errorf("got %v", err)
	}
	must(t, w.Put(file("f", "new", 0o644)))
	must(t, w.Put(symlinkEntry("f", "d/x")))
	w.Overwrite = true
	must(t, w.Put(file("d", "is a file", 0o644)))
	must(t, w.Put(directory("f", 0o755)))
	if got := listing(t, dir); !reflect.DeepEqual(got, []string{"d", "f"}) {
		t.Errorf("got %v", got)
	}
}

// TestExistingDirectoriesKeepTheirMode is half of what V27 asks for.
func TestExistingDirectoriesKeepTheirMode(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o750))
	w := Writer{Base: open(t, dir)}
	must(t, w.Put(directory(".", 0o777)))
	must(t, w.Put(directory("d", 0o777)))
	must(t, w.Close())
	if info, _ := os.Stat(filepath.Join(dir, "d")); info.Mode().Perm() != 0o750 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "f"), "old")
	w := Writer{Base: open(t, dir)}
	e := file("f", "short", 0o644)
	e.Size = 100 // the stream breaks
	if err := w.Put(e); err == nil {
		t.Error("half a file was taken")
	}
	w.Own = func(*Entry) (uint32, uint32, error) { return 0, 0, ErrUnmapped }
	if err := w.Put(file("g", "x", 0o644)); !errors.Is(err, ErrUnmapped) {
		t.Errorf("got %v", err)
	}
	if err := w.Put(symlinkEntry("l", "x")); !errors.Is(err, ErrUnmapped) {
		t.Errorf("got %v", err)
	}
	if got := listing(t, dir); !reflect.DeepEqual(got, []string{"f"}) || read(t, filepath.Join(dir, "f")) != "old" {
		t.Errorf("left behind: %v", got)
	}
}

func TestSpecialFilesOfProc(t *testing.T) {
	var got recorded
	w := Walker{}
	must(t, w.File(t.Context(), open(t, "/proc"), "cpuinfo", "cpuinfo", &got))
	if e := got.entry(t, "cpuinfo"); e.Size == 0 || int(e.Size) != len(got.bodies["cpuinfo"]) {
		t.Errorf("%d bytes announced, %d read", e.Size, len(got.bodies["cpuinfo"]))
	}
}

func TestHolesStayHoles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	f, err := os.Create(filepath.Join(from, "sparse"))
	must(t, err)
	must(t, f.Truncate(1<<40))
	_, err = f.WriteAt([]byte("data"), 1<<30)
	must(t, err)
	must(t, f.Close())
	w := Writer{Base: open(t, to)}
	walker := Walker{}
	must(t, walker.Walk(t.Context(), open(t, from), ".", &w))
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "sparse"), &st))
	if st.Size != 1<<40 || st.Blocks*512 > 1<<20 {
		t.Errorf("size %d, on disk %d", st.Size, st.Blocks*512)
	}
	out := open(t, filepath.Join(to, "sparse"))
	b := make([]byte, 4)
	if _, err := out.ReadAt(b, 1<<30); err != nil || string(b) != "data" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestIntoItself(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	w := Walker{Into: open(t, filepath.Join(dir, "a", "b"))}
	if err := w.Walk(t.Context(), open(t, dir), ".", &recorded{}); !errors.Is(err, ErrInside) {
		t.Errorf("got %v", err)
	}
}

func TestDepthIsBounded(t *testing.T) {
	dir := t.TempDir()
	at := open(t, dir)
	for range maxDepth + 3 {
		must(t, unix.Mkdirat(int(at.Fd()), "d", 0o755))
		next, err := openOne(at, "d", unix.O_RDONLY|unix.O_DIRECTORY)
		must(t, err)
		at.Close()
		at = next
	}
	at.Close()
	w := Walker{}
	if err := w.Walk(t.Context(), open(t, dir), ".", &recorded{}); !errors.Is(err, ErrDepth) {
		t.Errorf("got %v", err)
	}
}

func TestFindStaysInside(t *testing.T) {
	base := t.TempDir()
	jail := filepath.Join(base, "jail")
	write(t, filepath.Join(base, "host"), secret)
	write(t, filepath.Join(jail, "etc", "passwd"), inside)
	must(t, os.Symlink("/etc/passwd", filepath.Join(jail, "abs")))
	must(t, os.Symlink("../../../../../../etc/passwd", filepath.Join(jail, "etc", "rel")))
	must(t, os.Symlink("/etc", filepath.Join(jail, "dir")))
	must(t, os.Symlink("loop", filepath.Join(jail, "loop")))
	root := Root{Dir: open(t, jail)}
	for _, name := range []string{"/abs", "abs", "/etc/rel", "/dir/passwd", "/dir/../etc/passwd", "/../../etc/passwd", "dir/rel"} {
		found, err := root.Find(name)
		if err != nil || !found.Exists() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got recorded
		w := Walker{}
		must(t, w.File(t.Context(), found.Parent, found.Base, "x", &got))
		found.Close()
		if got.bodies["x"] != inside {
			t.Errorf("%s is %q", name, got.bodies["x"])
		}
	}
	for _, name := range []string{"/../host", "/loop", "/abs/", "/nodir/x", "/abs/x"} {
		if found, err := root.Find(name); err == nil && found.Exists() {
			t.Errorf("%s was found", name)
		}
	}
	if found, err := root.Find("/etc/new"); err != nil || found.Exists() || found.Base != "new" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestLayerHasWhiteouts(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mknod(filepath.Join(dir, "deleted"), unix.S_IFCHR, 0); err != nil {
		t.Skipf("whiteouts cannot be made here: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "opaque"), 0o755))
	if err := unix.Setxattr(filepath.Join(dir, "opaque"), "user.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("%s: user attributes cannot be set here: %v", dir, err)
	}
	must(t, unix.Setxattr(filepath.Join(dir, "opaque"), "user.other", []byte("kept"), 0))
	var got recorded
	w := Walker{Layer: true, Xattrs: true}
	must(t, w.Walk(t.Context(), open(t, dir), ".", &got))
	want := []string{".", ".wh.deleted", "opaque", "opaque/.wh..wh..opq"}
	if names := got.names(); !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if x := got.entry(t, "opaque").Xattrs; !reflect.DeepEqual(x, map[string]string{"user.other": "kept"}) {
		t.Errorf("attributes %q", x)
	}
}

func TestFileCapabilitiesLoseTheirRoot(t *testing.T) {
	v3 := "\x01\x00\x00\x03" + strings.Repeat("c", 16) + "root"
	if got, want := withoutRoot(capability, v3), "\x01\x00\x00\x02"+strings.Repeat("c", 16); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	v2 := "\x01\x00\x00\x02" + strings.Repeat("c", 16)
	if got := withoutRoot(capability, v2); got != v2 {
		t.Errorf("got %q", got)
	}
}

// TestBothWaysToCreate covers file systems that know O_TMPFILE and those that do
// not: procfs refuses both, tmpfs and the test's own directory take the first.
func TestBothWaysToCreate(t *testing.T) {
	dir := t.TempDir()
	f, tmp, err := create(open(t, dir), "x")
	must(t, err)
	defer f.Close()
	if got := listing(t, dir); tmp == "" && len(got) != 0 {
		t.Errorf("a file without a name is listed: %v", got)
	}
	if _, _, err := create(open(t, "/proc"), "x"); err == nil {
		t.Error("made a file in /proc")
	}
}
