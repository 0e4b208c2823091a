package unpack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ent is one tar entry, short to write.
type ent struct {
	name, link, data string
	kind             byte
	mode             int64
	uid, gid         int
	xattr            map[string]string
}

func file(name, data string) ent { return ent{name: name, data: data, kind: tar.TypeReg} }

func dir(name string) ent { return ent{name: name, kind: tar.TypeDir, mode: 0o755} }

func symlink(name, to string) ent { return ent{name: name, link: to, kind: tar.TypeSymlink} }

func hardlink(name, to string) ent { return ent{name: name, link: to, kind: tar.TypeLink} }

func special(name string, k byte) ent { return ent{name: name, kind: k} }

func tarOf(t testing.TB, ents ...ent) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range ents {
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{
			Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Uid: e.uid, Gid: e.gid,
			Size: int64(len(e.data)), ModTime: time.Unix(1_000_000_000, 0), Format: tar.FormatPAX,
		}
		for k, v := range e.xattr {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ground is a directory to unpack into with things beside it that must not
// change: the attacks all try to reach them.
type ground struct {
	base, root string
	before     string
}

func newGround(t testing.TB) *ground {
	t.Helper()
	g := &ground{base: t.TempDir()}
	g.root = filepath.Join(g.base, "store", "layer")
	for _, d := range []string{"store/layer", "outside/dir", "store/other"} {
		if err := os.MkdirAll(filepath.Join(g.base, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"outside/secret", "outside/dir/file", "store/other/file"} {
		if err := os.WriteFile(filepath.Join(g.base, f), []byte("canary "+f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.before = g.state(t)
	return g
}

// state is a hash of everything but the layer.
func (g *ground) state(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(g.base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == g.root {
			return fs.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if p == filepath.Dir(g.root) {
			st.Mtim = unix.Timespec{}
		}
		fmt.Fprintln(h, p, st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Mtim)
		if d.Type().IsRegular() {
			b, err := os.ReadFile(p)
			h.Write(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func (g *ground) unpack(t testing.TB, layer []byte, opts Options) (Result, error) {
	t.Helper()
	return g.unpackFrom(t, bytes.NewReader(layer), opts)
}

func (g *ground) unpackFrom(t testing.TB, r io.Reader, opts Options) (Result, error) {
	t.Helper()
	root, err := os.Open(g.root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opts.Owned = true
	res, err := Unpack(t.Context(), root, r, opts)
	if err == nil {
		sameAsWalk(t, root, res.Owned)
	}
	return res, err
}

// sameAsWalk compares what an unpacker remembers with what is there.
func sameAsWalk(t testing.TB, root *os.File, got []Owned) {
	t.Helper()
	want, err := Scan(root)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("owned: %v, but there is %v", got, want)
	}
}
