package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// file is one entry of a layer: what it is, by the letter of find(1), and with
// what attributes.
type file struct {
	kind     byte // d f l p, h: hard link, c: whiteout
	path     string
	uid, gid int
	mode     uint32
	text     string // content, or target of a link
	xattrs   map[string]string
}

// makeLayer writes a layer as unpacking does: image IDs are the anchor's.
func makeLayer(t testing.TB, files ...file) string {
	t.Helper()
	layer := filepath.Join(t.TempDir(), newID(), "diff")
	must(t, os.MkdirAll(layer, 0o755))
	for _, f := range files {
		writeFile(t, layer, f)
	}
	for _, f := range slices.Backward(files) { // directories last: what is made in them changes their time
		if f.kind == 'h' || f.kind == 'c' {
			continue
		}
		path := filepath.Join(layer, f.path)
		must(t, os.Lchown(path, f.uid, f.gid))
		if f.kind != 'l' {
			must(t, unix.Chmod(path, f.mode))
		}
		for k, v := range f.xattrs {
			must(t, unix.Lsetxattr(path, k, []byte(v), 0))
		}
		times := []unix.Timespec{{Sec: 1000}, {Sec: int64(len(f.path)) * 1000, Nsec: 5}}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW))
	}
	return layer
}

func writeFile(t testing.TB, layer string, f file) {
	t.Helper()
	path := filepath.Join(layer, f.path)
	switch f.kind {
	case 'd':
		must(t, os.MkdirAll(path, 0o755))
	case 'f':
		must(t, os.WriteFile(path, []byte(f.text), 0o644))
	case 'l':
		must(t, os.Symlink(f.text, path))
	case 'p':
		must(t, unix.Mkfifo(path, 0o600))
	case 'h':
		must(t, os.Link(filepath.Join(layer, f.text), path))
	case 'c':
		must(t, unix.Mknod(path, unix.S_IFCHR, 0))
	}
}

// describe lists a tree as a container with these maps sees it.
func describe(t testing.TB, root string, uids, gids idmap.Map) []string {
	t.Helper()
	var out []string
	inner := func(m idmap.Map, id uint32) uint32 {
		if in, ok := m.Container(id); ok {
			return in
		}
		return nobody
	}
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		var line strings.Builder
		fmt.Fprintf(&line, "%s %06o %d:%d %d", rel, st.Mode, inner(uids, st.Uid), inner(gids, st.Gid), st.Mtim.Sec)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			fmt.Fprintf(&line, " %q", readFile(t, path))
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			must(t, err)
			line.WriteString(" -> " + to)
		}
		buf := make([]byte, 64)
		for _, attr := range []string{"user.test", "user.overlay.opaque"} {
			if n, err := unix.Lgetxattr(path, attr, buf); err == nil {
				fmt.Fprintf(&line, " %s=%s", attr, buf[:n])
			}
		}
		out = append(out, line.String())
		return nil
	}))
	return out
}

// merge mounts layers, topmost first, with an empty writable one on top.
func merge(t testing.TB, layers []string) string {
	t.Helper()
	short, err := os.MkdirTemp("", "s") //nolint:usetesting // short: the kernel takes one page of options
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	s := scaffold{dir: short}
	for _, dir := range []string{"root", "l", "upper", "work"} {
		must(t, os.Mkdir(s.path(dir), 0o755))
	}
	must(t, mountOverlay(s, layers, s.path("upper"), s.path("work"), true))
	t.Cleanup(func() { must(t, sys.UnmountDetach(s.root())) })
	return s.root()
}

// sliceMaps give the image's ID n to anchor ID 3000+n, root to root.
func sliceMaps() idmap.Map {
	return idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 3001, Count: 2999}, {Container: 65534, Host: 6500, Count: 1}}
}

// movedMaps move root too.
func movedMaps() idmap.Map {
	return idmap.Map{{Container: 0, Host: 3000, Count: 3000}, {Container: 65534, Host: 6500, Count: 1}}
}

func testOwners(uids, gids idmap.Map) ownerMap {
	return ownerMap{uids: uids, gids: gids, anchorUIDs: 60000, anchorGIDs: 60000}
}

// same reports the first difference of two descriptions.
func same(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("got  %s\nwant %s", g, w)
		}
	}
}
