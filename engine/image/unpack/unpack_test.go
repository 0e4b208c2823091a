package unpack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/nstest"
)

func lstat(t *testing.T, g *ground, name string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(g.root, name), &st); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return st
}

func TestUnpack(t *testing.T) {
	nstest.NeedIDs(t)
	g := newGround(t)
	layer := tarOf(t,
		ent{name: "./", kind: tar.TypeDir, mode: 0o751, uid: 7},
		ent{name: "./d/", kind: tar.TypeDir, mode: 0o2750, uid: 3, gid: 4},
		ent{name: "./d/suid", kind: tar.TypeReg, mode: 0o4755, data: "x", uid: 5, gid: 6},
		ent{name: "d/caps", kind: tar.TypeReg, mode: 0o755, data: "y", uid: 9, xattr: map[string]string{
			"security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
			"user.kept":           "v", "user.overlay.opaque": "y", "trusted.overlay.redirect": "/", "user.overlay.redirect": "/",
		}},
		symlink("l", "/anywhere/at/all"),
		hardlink("d/hard", "d/suid"),
		ent{name: "p", kind: tar.TypeFifo, mode: 0o622, uid: 1},
		special("dev", tar.TypeChar),
		file("implied/parent/file", "z"),
		ent{name: "sticky", kind: tar.TypeDir, mode: 0o1777, xattr: map[string]string{"user.overlay.opaque": "y"}},
	)
	res, err := g.unpack(t, layer, Options{Limits: DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(layer)
	if res.DiffID != hex.EncodeToString(sum[:]) || res.Size != int64(len(layer)) || *res.Root != 0o751 || res.Skipped != 1 {
		t.Errorf("result %+v", res)
	}
	for name, want := range map[string]struct {
		mode     uint32
		uid, gid uint32
	}{
		"":                    {unix.S_IFDIR | 0o751, 7, 0},
		"d":                   {unix.S_IFDIR | 0o2750, 3, 4},
		"d/suid":              {unix.S_IFREG | 0o4755, 5, 6},
		"d/hard":              {unix.S_IFREG | 0o4755, 5, 6},
		"d/caps":              {unix.S_IFREG | 0o755, 9, 0},
		"l":                   {unix.S_IFLNK | 0o777, 0, 0},
		"p":                   {unix.S_IFIFO | 0o622, 1, 0},
		"implied/parent":      {unix.S_IFDIR | 0o755, 0, 0},
		"implied/parent/file": {unix.S_IFREG | 0o644, 0, 0},
		"sticky":              {unix.S_IFDIR | 0o1777, 0, 0},
	} {
		if st := lstat(t, g, name); st.Mode != want.mode || st.Uid != want.uid || st.Gid != want.gid {
			t.Errorf("%q: %o %d:%d", name, st.Mode, st.Uid, st.Gid)
		}
	}
	if st := lstat(t, g, "d"); st.Mtim.Sec != 1_000_000_000 {
		t.Error("the directory's time is not the layer's")
	}
	for attr, want := range map[string]bool{"security.capability": true, "user.kept": true, "user.overlay.opaque": false, "user.overlay.redirect": false} {
		_, err := unix.Getxattr(filepath.Join(g.root, "d/caps"), attr, make([]byte, 100))
		if want != (err == nil) {
			t.Errorf("%s: %v", attr, err)
		}
	}
	if _, err := unix.Getxattr(filepath.Join(g.root, "sticky"), "user.overlay.opaque", make([]byte, 9)); err == nil {
		t.Error("a layer made a directory opaque by attribute")
	}
	if err := unix.Lstat(filepath.Join(g.root, "dev"), &unix.Stat_t{}); !errors.Is(err, unix.ENOENT) {
		t.Error("a device was made")
	}
}

func TestWhiteouts(t *testing.T) {
	g := newGround(t)
	_, err := g.unpack(t, tarOf(t,
		file(".wh.gone", ""),
		dir("opaque"), file("opaque/.wh..wh..opq", ""), file("opaque/new", "x"),
		dir("both"), file(".wh.both", ""), // removed below, made here
		file(".wh.later", ""), dir("later"),
		file(".wh.replaced", ""), file("replaced", "x"),
		file("gone/.wh.below", ""), // below a name that is gone
		file(".wh..wh.aufs", ""), dir(".wh..wh.orph"), file(".wh..wh.orph/x", "y"),
	), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, opaque := range map[string]bool{"opaque": true, "both": true, "later": true} {
		b := make([]byte, 2)
		n, err := unix.Getxattr(filepath.Join(g.root, name), xattrOpaque, b)
		if opaque != (err == nil && string(b[:n]) == "y") {
			t.Errorf("%s: opaque %v", name, err)
		}
	}
	if st := lstat(t, g, "gone"); !isWhiteout(&st) {
		t.Error("no whiteout")
	}
	if st := lstat(t, g, "replaced"); isWhiteout(&st) || st.Size != 1 {
		t.Error("the file is not there")
	}
	left, _ := filepath.Glob(filepath.Join(g.root, ".wh*"))
	if len(left) > 0 {
		t.Error("left in the layer:", left)
	}
}

// TestTarSplit puts the stream together again from the directory, byte by byte.
func TestTarSplit(t *testing.T) {
	big := strings.Repeat("content ", 300_000)
	layers := map[string][]byte{
		"plain":     tarOf(t, dir("d"), file("d/f", big), file("e", ""), hardlink("h", "d/f"), file("odd\xff\xfename", "x"), file("<&>", "y")),
		"through":   tarOf(t, dir("real"), symlink("l", "real"), file("l/f", big), file("./m", "z")),
		"padding":   append(tarOf(t, file("f", "x")), make([]byte, 100_000)...),
		"dup dirs":  tarOf(t, dir("d"), file("d/f", "x"), dir("d")),
		"whiteouts": tarOf(t, file(".wh.x", ""), file("d/.wh..wh..opq", "")),
		"empty":     tarOf(t),
	}
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			var split bytes.Buffer
			if _, err := g.unpack(t, layer, Options{TarSplit: &split}); err != nil {
				t.Fatal(err)
			}
			z, err := gzip.NewReader(&split)
			if err != nil {
				t.Fatal(err)
			}
			again, err := io.ReadAll(asm.NewOutputTarStream(storage.NewPathFileGetter(g.root), storage.NewJSONUnpacker(z)))
			if err != nil || !bytes.Equal(again, layer) {
				t.Errorf("%d bytes, not %d: %v", len(again), len(layer), err)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	layer := tarOf(t, file("f", strings.Repeat("x", 1<<20)))
	compress := map[string]func(io.Writer) io.WriteCloser{
		formatGzip: func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		formatZstd: func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	}
	for format, open := range compress {
		g := newGround(t)
		var b bytes.Buffer
		w := open(&b)
		_, _ = w.Write(layer[:1000])
		_ = w.Close()
		w = open(&b) // members and frames may follow each other
		_, _ = w.Write(layer[1000:])
		_ = w.Close()
		if format == formatZstd { // zstd:chunked: a table of contents in a frame to skip
			b.WriteString("\x50\x2a\x4d\x18\x05\x00\x00\x00table")
		}
		res, err := g.unpack(t, b.Bytes(), Options{})
		sum := sha256.Sum256(layer)
		if err != nil || res.Format != format || res.DiffID != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %+v %v", format, res, err)
		}
	}
}

// TestVerified: only of a layer that is not compressed another's hash is the
// diff ID, and it is read to its end as ever.
func TestVerified(t *testing.T) {
	layer := tarOf(t, file("f", strings.Repeat("x", 1<<20)))
	sum := sha256.Sum256(layer)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(layer)
	_ = w.Close()
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"plain": {layer, "claimed"},
		"gzip":  {z.Bytes(), hex.EncodeToString(sum[:])},
	} {
		res, err := newGround(t).unpack(t, tt.b, Options{Verified: "claimed"})
		if err != nil || res.DiffID != tt.want || res.Size != int64(len(layer)) {
			t.Errorf("%s: %+v %v", name, res, err)
		}
	}
	late := errors.New("not what was claimed")
	if _, err := newGround(t).unpackFrom(t, io.MultiReader(bytes.NewReader(layer), badSource{late}), Options{Verified: "claimed"}); !errors.Is(err, late) {
		t.Error(err)
	}
}

func TestScan(t *testing.T) {
	nstest.NeedIDs(t)
	g := newGround(t)
	_, err := g.unpack(t, tarOf(t,
		ent{name: "d", kind: tar.TypeDir, mode: 0o755, gid: 2},
		ent{name: "d/f", kind: tar.TypeReg, data: "xyz", uid: 1},
		hardlink("h", "d/f"),
		ent{name: "l", kind: tar.TypeSymlink, link: "target", uid: 3},
		file("root", "x"), file(".wh.x", ""),
	), Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, _ := os.Open(g.root)
	defer root.Close()
	owned, err := Scan(root)
	if err != nil || len(owned) != 4 {
		t.Fatalf("%+v %v", owned, err)
	}
	if o := owned[0]; o.Path != "/d" || o.GID != 2 {
		t.Errorf("%+v", o)
	}
	if o := owned[1]; o.Path != "/d/f" || o.UID != 1 || o.Size != 3 || o.Ino == 0 {
		t.Errorf("%+v", o)
	}
	if o := owned[2]; o.Path != "/h" || o.Ino != owned[1].Ino {
		t.Errorf("%+v", o)
	}
	if o := owned[3]; o.Path != "/l" || o.Link != "target" {
		t.Errorf("%+v", o)
	}
}

// What is remembered of owners is what a walk finds, whatever came between.
func TestOwnersOfWhatChanges(t *testing.T) {
	nstest.NeedIDs(t)
	own := func(e ent) ent { e.uid, e.gid = 7, 8; return e }
	for name, layer := range map[string][]ent{
		"twice":                {own(dir("d")), own(dir("d")), own(dir("."))},
		"through a link":       {dir("usr"), symlink("lib", "usr"), own(file("lib/f", "x")), own(file("g", "x"))},
		"link through a link":  {dir("usr"), own(file("f", "x")), symlink("lib", "usr"), hardlink("lib/h", "f")},
		"link gone later":      {dir("usr"), symlink("lib", "usr"), own(file("lib/f", "x")), dir("lib")},
		"replaced":             {own(file("f", "")), file("f", "x"), own(symlink("l", "x")), dir("l")},
		"removed":              {own(dir("d")), symlink("d", "nowhere")},
		"link in place of dir": {dir("e"), dir("d"), own(symlink("d/l", "x")), own(dir("d")), own(file("e/f", "x"))},
		"whiteout":             {own(file(".wh.w", "")), own(dir("w"))},
		"link to a link":       {own(file("f", "x")), hardlink("g", "f"), hardlink("h", "g"), hardlink("i", "h")},
		"links to root's":      {file("f", "x"), hardlink("g", "f")},
		"parents":              {own(file("a/b/c", "x"))},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newGround(t).unpack(t, tarOf(t, layer...), Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	many := make([]ent, maxForeign+10)
	for i := range many {
		many[i] = own(symlink(strconv.Itoa(i), "x"))
	}
	if _, err := newGround(t).unpack(t, tarOf(t, many...), Options{}); err != nil {
		t.Error(err)
	}
}

// Where few files may be open, they are written earlier.
func TestFewDescriptors(t *testing.T) {
	ents := make([]ent, 10*batchFiles)
	for i := range ents {
		ents[i] = file(strconv.Itoa(i), "x")
	}
	layer, g := tarOf(t, ents...), newGround(t)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	next, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(next)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + 12), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = g.unpack(t, layer, Options{})
	if rerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil || rerr != nil {
		t.Error(err, rerr)
	}
}

func TestUnmapped(t *testing.T) {
	layer := tarOf(t, ent{name: "f", kind: tar.TypeReg, uid: 3_999_999})
	if _, err := newGround(t).unpack(t, layer, Options{}); !errors.Is(err, ErrUnmapped) {
		t.Error(err)
	}
	if _, err := newGround(t).unpack(t, layer, Options{IgnoreChown: true}); err != nil {
		t.Error(err)
	}
}

func TestPlainFilesOnly(t *testing.T) {
	for name, e := range map[string]ent{
		"symlink": symlink("l", "/etc/passwd"), "hard link": hardlink("h", "f"), "pipe": special("p", tar.TypeFifo),
	} {
		if _, err := newGround(t).unpack(t, tarOf(t, file("f", "x"), e), Options{FilesOnly: true}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
