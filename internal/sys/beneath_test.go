package sys_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDir(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := sys.OpenDir(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// outside is a directory with a secret that no function may reach through dir.
func trees(t testing.TB) (dir *os.File, outside string) {
	t.Helper()
	top := t.TempDir()
	outside = filepath.Join(top, "outside")
	must(t, os.MkdirAll(filepath.Join(top, "tree", "d"), 0o755))
	must(t, os.Mkdir(outside, 0o755))
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("SECRET"), 0o644))
	for link, to := range map[string]string{"out": outside, "up": "..", "magic": "/proc/self/root", "self": ".", "file": outside + "/secret"} {
		must(t, os.Symlink(to, filepath.Join(top, "tree", link)))
	}
	return openDir(t, filepath.Join(top, "tree")), outside
}

// Every function that takes a name, with names that must not work.
func TestNothingBeneathLeadsOut(t *testing.T) {
	dir, outside := trees(t)
	st := &unix.Stat_t{}
	verbs := map[string]func(name string) error{
		"open": func(n string) error { f, err := sys.OpenBeneath(dir, n, unix.O_RDONLY, 0); closeIf(f); return err },
		"create": func(n string) error {
			f, err := sys.OpenBeneath(dir, n, unix.O_CREAT|unix.O_WRONLY, 0o600)
			closeIf(f)
			return err
		},
		"stat":     func(n string) error { _, err := sys.StatBeneath(dir, n); return err },
		"mkdir":    func(n string) error { return sys.MkdirBeneath(dir, n, 0o755) },
		"chown":    func(n string) error { return sys.ChownBeneath(dir, n, os.Getuid(), os.Getgid()) },
		"chmod":    func(n string) error { return sys.ChmodBeneath(dir, n, 0o777) },
		"symlink":  func(n string) error { return sys.SymlinkBeneath(dir, "x", n) },
		"mkfifo":   func(n string) error { return sys.MkfifoBeneath(dir, n) },
		"link":     func(n string) error { return sys.LinkBeneath(dir, n, "/d/hard") },
		"times":    func(n string) error { return sys.SetTimes(dir, n, st) },
		"readlink": func(n string) error { _, err := sys.ReadlinkBeneath(dir, n); return err },
		"whiteout": func(n string) error { return sys.WhiteoutBeneath(dir, n) },
		"copy":     func(n string) error { return sys.CopyBeneath(dir, dir, n) },
		"xattrs":   func(n string) error { return sys.CopyXattrs(dir, dir, n, sys.Renumber{}) },
		"markers":  func(n string) error { return sys.CopyOverlayMarkers(dir, dir, n) },
	}
	for _, name := range []string{
		"self/d", "self/d/new", "out/secret", "out/new", "/out/secret", "up/outside/secret", "up/outside/new", "magic" + outside + "/secret", "magic" + outside + "/new",
		"self/../outside/secret", "../outside/secret", "../outside/new", "/../outside/new", "d/../../outside/secret", outside + "/secret",
	} {
		for verb, do := range verbs {
			if err := do(name); err == nil {
				t.Errorf("%s %s worked", verb, name)
			}
		}
	}
	left, err := os.ReadDir(outside)
	must(t, err)
	info, err := os.Stat(outside + "/secret")
	if err != nil || len(left) != 1 || info.Mode().Perm() != 0o644 || info.ModTime().Year() < 2000 {
		t.Errorf("outside was changed: %v %v %v", left, info, err)
	}
	// The end of a name may be a link where the link itself is meant.
	if to, err := sys.ReadlinkBeneath(dir, "out"); to != outside || err != nil {
		t.Errorf("%q %v", to, err)
	}
	if st, err := sys.StatBeneath(dir, "out"); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		t.Errorf("%v %v", st, err)
	}
	if _, err := sys.OpenBeneath(dir, "file", unix.O_RDONLY, 0); !errors.Is(err, unix.ELOOP) {
		t.Errorf("opened a link: %v", err)
	}
	if err := sys.ChmodBeneath(dir, "nosuch", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func closeIf(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// In a container's tree links are followed as the container would follow them.
func TestOpenInRoot(t *testing.T) {
	dir, outside := trees(t)
	root := dir.Name()
	must(t, os.WriteFile(root+"/d/file", []byte("inside"), 0o644))
	for link, to := range map[string]string{"abs": "/d/file", "climb": "../../../../d/file", "chain": "abs", "loop": "loop", "etc": "/d"} {
		must(t, os.Symlink(to, filepath.Join(root, link)))
	}
	must(t, unix.Mkfifo(root+"/pipe", 0o644))
	for name, want := range map[string]error{
		"d/file": nil, "/d/file": nil, "abs": nil, "climb": nil, "chain": nil, "etc/file": nil, "../../d/file": nil, "self/d/file": nil,
		"file": fs.ErrNotExist, "out/secret": fs.ErrNotExist, "loop": unix.ELOOP, "magic": fs.ErrNotExist, "nosuch": fs.ErrNotExist,
		"up/outside/secret": fs.ErrNotExist, outside + "/secret": fs.ErrNotExist,
	} {
		f, err := sys.OpenInRoot(root, name, unix.O_RDONLY)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			b := make([]byte, 10)
			n, _ := f.Read(b)
			if string(b[:n]) != "inside" {
				t.Errorf("%s is %q", name, b[:n])
			}
		}
		closeIf(f)
	}
	f, err := sys.OpenInRoot(root, "pipe", unix.O_RDONLY) // nobody writes to it: it must not wait
	must(t, err)
	f.Close()
	if _, err := sys.OpenInRoot("/proc/self", "root/etc", unix.O_RDONLY); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a magic link was followed: %v", err)
	}
	if _, err := sys.OpenInRoot(root+"/nosuch", "x", unix.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestCopyBeneath(t *testing.T) {
	src, dst := openDir(t, t.TempDir()), openDir(t, t.TempDir())
	write := func(name string, size int64, at ...int64) []byte {
		f, err := os.Create(filepath.Join(src.Name(), name))
		must(t, err)
		defer f.Close()
		must(t, f.Truncate(size))
		for _, off := range at {
			_, err := f.WriteAt([]byte("data"), off)
			must(t, err)
		}
		if size > 1<<30 {
			return nil
		}
		b, err := os.ReadFile(f.Name())
		must(t, err)
		return b
	}
	for name, want := range map[string][]byte{
		"empty": write("empty", 0), "hole": write("hole", 1<<20), "small": write("small", 4, 0),
		"mixed": write("mixed", 1<<20+3, 0, 300000, 1<<20-1), "end": write("end", 70000, 69996),
	} {
		must(t, sys.CopyBeneath(src, dst, name))
		got, err := os.ReadFile(filepath.Join(dst.Name(), name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
	}
	// A terabyte of nothing stays nothing.
	write("huge", 1<<40, 1<<39)
	must(t, sys.CopyBeneath(src, dst, "huge"))
	st, err := sys.StatBeneath(dst, "huge")
	if err != nil || st.Size != 1<<40 || st.Blocks > 1000 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
	if err := sys.CopyBeneath(src, dst, "small"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copied over a file: %v", err)
	}
	must(t, unix.Mkfifo(src.Name()+"/pipe", 0o600))
	if err := sys.CopyBeneath(src, dst, "pipe"); err == nil {
		t.Error("copied a pipe")
	}
}

func TestAttributes(t *testing.T) {
	src, dst := openDir(t, t.TempDir()), openDir(t, t.TempDir())
	for _, d := range []*os.File{src, dst} {
		must(t, os.WriteFile(d.Name()+"/f", nil, 0o600))
		must(t, sys.MkdirBeneath(d, "dir", 0o700))
	}
	set := func(name, attr, value string) {
		if err := unix.Setxattr(filepath.Join(src.Name(), name), attr, []byte(value), 0); err != nil {
			t.Skipf("no extended attributes here: %v", err)
		}
	}
	set("f", "user.a", "1")
	set("f", "user.empty", "")
	set("f", "user.overlay.origin", "x")
	set("dir", "user.overlay.opaque", "y")
	must(t, sys.CopyXattrs(src, dst, "f", sys.Renumber{}))
	must(t, sys.CopyXattrs(src, dst, "dir", sys.Renumber{}))
	must(t, sys.CopyOverlayMarkers(src, dst, "dir"))
	must(t, sys.CopyOverlayMarkers(dst, src, "dir"))
	get := func(name, attr string) string {
		b := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(dst.Name(), name), attr, b)
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	for _, c := range [][3]string{
		{"f", "user.a", "1"}, {"f", "user.empty", ""}, {"f", "user.overlay.origin", "no data available"}, {"dir", "user.overlay.opaque", "y"},
	} {
		if got := get(c[0], c[1]); got != c[2] {
			t.Errorf("%s of %s: %q", c[1], c[0], got)
		}
	}
	must(t, sys.ChmodBeneath(dst, "f", 0o4751))
	must(t, sys.ChownKeeping(dst, "f", os.Getuid(), os.Getgid(), 0o4751, sys.Renumber{}))
	must(t, sys.SetTimes(dst, "f", &unix.Stat_t{Mtim: unix.Timespec{Sec: 77, Nsec: 5}}))
	st, err := sys.StatBeneath(dst, "f")
	if err != nil || st.Mode&0o7777 != 0o4751 || st.Mtim.Sec != 77 || st.Mtim.Nsec != 5 {
		t.Errorf("%o %v %v", st.Mode, st.Mtim, err)
	}
	must(t, sys.WhiteoutBeneath(dst, "gone"))
	if st, err := sys.StatBeneath(dst, "gone"); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("%v %v", st, err)
	}
	must(t, sys.LinkBeneath(dst, "f", "dir/hard"))
	must(t, sys.MkfifoBeneath(dst, "dir/pipe"))
	must(t, sys.SymlinkBeneath(dst, "/anywhere", "dir/link"))
	if to, err := sys.ReadlinkBeneath(dst, "/dir/../dir/link"); to != "/anywhere" || err != nil {
		t.Errorf("%q %v", to, err)
	}
	if st, _ := sys.StatBeneath(dst, "f"); st.Nlink != 2 {
		t.Errorf("%d links", st.Nlink)
	}
}

func TestChownTree(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 5, 6
	}
	dir, outside := trees(t)
	must(t, sys.ChownTree(dir.Name(), uid, gid))
	for _, name := range []string{".", "d", "out", "magic"} {
		st, err := sys.StatBeneath(dir, name)
		if err != nil || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s: %v %v", name, st, err)
		}
	}
	var st unix.Stat_t
	must(t, unix.Stat(outside+"/secret", &st))
	if int(st.Uid) != os.Getuid() {
		t.Error("a link was followed")
	}
	must(t, sys.ChownTree(outside+"/secret", uid, gid))
	must(t, unix.Stat(outside+"/secret", &st))
	if int(st.Uid) != uid {
		t.Error("a file is a tree too")
	}
	if err := sys.ChownTree(outside+"/nosuch", uid, gid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestLocksOfFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := openDir(t, dir), openDir(t, dir)
	must(t, sys.TryLockFile(a))
	if err := sys.TryLockFile(b); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("%v", err)
	}
	got := make(chan error, 1)
	go func() { got <- sys.LockFile(b) }()
	select {
	case <-got:
		t.Error("did not wait")
	default:
	}
	a.Close()
	must(t, <-got)
	if err := sys.TryLockFile(a); err == nil {
		t.Error("locked a closed file")
	}
}

func TestSealAndSync(t *testing.T) {
	fd, err := unix.MemfdCreate("x", unix.MFD_ALLOW_SEALING)
	must(t, err)
	f := os.NewFile(uintptr(fd), "x")
	defer f.Close()
	_, err = f.WriteString("abc")
	must(t, err)
	must(t, sys.Seal(f))
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("written to: %v", err)
	}
	if err := sys.Seal(f); err == nil {
		t.Error("sealed twice")
	}
	d := openDir(t, t.TempDir())
	if err := sys.Seal(d); err == nil {
		t.Error("sealed a directory")
	}
	must(t, sys.SyncFS(d))
	d.Close()
	if err := sys.SyncFS(d); err == nil {
		t.Error("synced nothing")
	}
}

func TestMountErrorsNameTheOperation(t *testing.T) {
	for what, err := range map[string]error{
		"mount tmpfs":   sys.Mount("x", "/nosuch", "tmpfs", 0, ""),
		"umount":        sys.UnmountDetach("/nosuch"),
		"mount_setattr": sys.SetMountAttr("/nosuch", sys.AttrReadOnly),
		"move_mount":    sys.MoveMount(openDir(t, "/"), "/nosuch"),
	} {
		var path *fs.PathError
		if !errors.As(err, &path) || path.Op != what {
			t.Errorf("%s: %v", what, err)
		}
	}
}
