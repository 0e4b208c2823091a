package unpack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// evil are layers that try to get out, by many doors. Those with an error must
// be refused; the others must do no harm. OUT stands for a directory outside.
func evil(out string) map[string]struct {
	ents    []ent
	refused bool
} {
	deep := strings.Repeat("../", 40)
	type c = struct {
		ents    []ent
		refused bool
	}
	return map[string]c{
		"dot dot":                    {[]ent{file("../evil", "x")}, true},
		"dot dot dir":                {[]ent{dir("../evil")}, true},
		"dot dot in the middle":      {[]ent{file("a/../../evil", "x")}, true},
		"dot dot deep":               {[]ent{file(deep+out+"/evil", "x")}, true},
		"absolute":                   {[]ent{file(out+"/secret", "x")}, true},
		"absolute dir":               {[]ent{dir(out + "/dir")}, true},
		"dot dot symlink":            {[]ent{symlink("../evil", "x")}, true},
		"dot dot hard link":          {[]ent{hardlink("../evil", "x")}, true},
		"dot dot fifo":               {[]ent{special("../evil", tar.TypeFifo)}, true},
		"dot dot whiteout":           {[]ent{file("../.wh.other", "")}, true},
		"absolute whiteout":          {[]ent{file(out+"/.wh.secret", "")}, true},
		"whiteout of dot dot":        {[]ent{file("a/.wh...", "")}, true},
		"whiteout of nothing":        {[]ent{file("a/.wh.", "")}, true},
		"whiteout of dot":            {[]ent{file("a/.wh..", "")}, true},
		"root as symlink":            {[]ent{symlink(".", out)}, true},
		"root as symlink, slash":     {[]ent{symlink("/", out)}, true},
		"root as file":               {[]ent{file(".", "x")}, true},
		"root as hard link":          {[]ent{hardlink(".", "x")}, true},
		"through absolute link":      {[]ent{symlink("l", out), file("l/secret", "x")}, true},
		"through absolute link, dir": {[]ent{symlink("l", out), dir("l/evil")}, true},
		"through relative link":      {[]ent{symlink("l", deep+out), file("l/secret", "x")}, true},
		"through link to parent":     {[]ent{symlink("l", ".."), file("l/evil", "x")}, true},
		"through chain of links":     {[]ent{symlink("a", "b"), symlink("b", "c"), symlink("c", out), file("a/secret", "x")}, true},
		"through link in directory":  {[]ent{dir("d"), symlink("d/l", "../.."), file("d/l/evil", "x")}, true},
		"through nested links":       {[]ent{dir("d"), symlink("d/up", ".."), symlink("d/up2", "up/.."), file("d/up2/evil", "x")}, true},
		"through proc":               {[]ent{symlink("l", "/proc/self/root"+out), file("l/secret", "x")}, true},
		"through proc cwd":           {[]ent{symlink("l", "/proc/self/cwd"), file("l/evil", "x")}, true},
		"link replaces parent":       {[]ent{dir("d"), symlink("d", out), file("d/secret", "x")}, true},
		"link, then file, same name": {[]ent{symlink("f", out+"/secret"), file("f", "harmless")}, false},
		"link, then dir, same name":  {[]ent{symlink("d", out+"/dir"), dir("d"), file("d/file", "harmless")}, false},
		"link, then chmod":           {[]ent{symlink("l", out+"/secret"), {name: "l", kind: tar.TypeDir, mode: 0o777}}, false},
		"link with mode":             {[]ent{{name: "l", link: out + "/secret", kind: tar.TypeSymlink, mode: 0o777}}, false},
		"link with owner":            {[]ent{{name: "l", link: out + "/secret", kind: tar.TypeSymlink, uid: 1, gid: 1}}, false},
		"link with attributes":       {[]ent{{name: "l", link: out + "/secret", kind: tar.TypeSymlink, xattr: map[string]string{"user.x": "y"}}}, false},
		"whiteout through link":      {[]ent{symlink("l", out), file("l/.wh.secret", "")}, true},
		"opaque through link":        {[]ent{symlink("l", out), file("l/.wh..wh..opq", "")}, true},
		"hard link outside":          {[]ent{hardlink("h", out+"/secret"), file("h", "x")}, true},
		"hard link up":               {[]ent{hardlink("h", deep+out+"/secret")}, true},
		"hard link to nothing":       {[]ent{hardlink("h", "nothing")}, true},
		"hard link to itself":        {[]ent{hardlink("h", "h")}, true},
		"hard link cycle":            {[]ent{hardlink("a", "b"), hardlink("b", "a")}, true},
		"hard link to directory":     {[]ent{dir("d"), hardlink("h", "d")}, true},
		"hard link to the root":      {[]ent{hardlink("h", ".")}, true},
		"hard link through link":     {[]ent{symlink("l", out), hardlink("h", "l/secret")}, true},
		"hard link to link, write":   {[]ent{symlink("l", out+"/secret"), hardlink("h", "l"), file("h", "harmless")}, false},
		"hard link to link, owner":   {[]ent{symlink("l", out+"/secret"), {name: "h", link: "l", kind: tar.TypeLink, mode: 0o777, uid: 1}}, false},
		"hard link to whiteout":      {[]ent{file(".wh.f", ""), hardlink("h", "f")}, true},
		"aufs link directory":        {[]ent{file(".wh..wh.plnk/1.2", "x"), hardlink("h", ".wh..wh.plnk/1.2")}, true},
		"file under file":            {[]ent{file("f", "x"), file("f/g", "y")}, true},
		"file over full directory":   {[]ent{file("d/f", "x"), file("d", "y")}, true},
		"link over full directory":   {[]ent{file("d/f", "x"), symlink("d", out)}, true},
		"two files of one name":      {[]ent{file("f", "x"), file("f", "y")}, true},
		"very long name":             {[]ent{file(strings.Repeat("d/", 2100)+"f", "x")}, true},
		"long component":             {[]ent{file(strings.Repeat("n", 256), "x")}, true},
		"empty link":                 {[]ent{{name: "l", kind: tar.TypeSymlink}}, true},
		"device as whiteout":         {[]ent{special("d", tar.TypeChar)}, false},
		"unknown type":               {[]ent{special("u", 'Z')}, true},
		"negative owner":             {[]ent{{name: "f", kind: tar.TypeReg, uid: -1}}, true},
		"owner that means none":      {[]ent{{name: "f", kind: tar.TypeReg, uid: 1<<32 - 1}}, true},
	}
}

func TestEvilLayersStayInside(t *testing.T) {
	for name := range evil("/x") {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			c := evil(filepath.Join(g.base, "outside"))[name]
			_, err := g.unpack(t, layerOf(t, c.ents), Options{Limits: DefaultLimits()})
			if errors.Is(err, ErrUnmapped) {
				t.Skip("one ID only in this user namespace")
			}
			if c.refused != (err != nil) {
				t.Errorf("error %v, refused should be %v", err, c.refused)
			}
			if err != nil && (!errors.Is(err, ErrInvalid) || strings.ContainsAny(err.Error(), "\n\x00")) {
				t.Errorf("not a clear line: %q", err)
			}
			if g.state(t) != g.before {
				t.Error("something outside changed")
			}
		})
	}
}

func layerOf(t testing.TB, ents []ent) []byte {
	t.Helper()
	for _, e := range ents {
		if e.uid < 0 {
			return rawTar(ents)
		}
	}
	return tarOf(t, ents...)
}

// rawTar writes ustar headers by hand, for what archive/tar refuses to write.
func rawTar(ents []ent) []byte {
	var b bytes.Buffer
	for _, e := range ents {
		var h [512]byte
		copy(h[0:100], e.name)
		copy(h[100:], "0000644\x00")
		copy(h[108:], "0000000\x00")
		if e.uid < 0 {
			copy(h[108:116], "\xff\xff\xff\xff\xff\xff\xff\xff")
		}
		copy(h[116:], "0000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00", len(e.data)))
		copy(h[136:], "00000000000\x00")
		copy(h[148:], "        ")
		h[156] = e.kind
		copy(h[157:257], e.link)
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(h[:])
		b.WriteString(e.data)
		b.Write(make([]byte, (512-len(e.data)%512)%512))
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// TestCorpusHasTeeth unpacks the same layers the way that is wrong: joining
// paths and following links. If that left everything in place, the test above
// would prove nothing.
func TestCorpusHasTeeth(t *testing.T) {
	hits := 0
	for name := range evil("/x") {
		g := newGround(t)
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "naive", g.base)
		cmd.Stdin = bytes.NewReader(layerOf(t, evil("/outside")[name].ents))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if g.state(t) != g.before {
			hits++
		}
	}
	if hits < 20 {
		t.Errorf("only %d of the layers harm an unsafe extractor", hits)
	}
}

// naive shuts itself up in base first: what it does outside the layer must not
// be done to the machine.
func naive(base string, layer io.Reader) {
	if err := errors.Join(unix.Chroot(base), unix.Chdir("/")); err != nil {
		panic(err)
	}
	const root = "/store/layer"
	tr := tar.NewReader(layer)
	for {
		h, err := tr.Next()
		if err != nil {
			return
		}
		p := filepath.Join(root, h.Name)
		if filepath.IsAbs(h.Name) {
			p = h.Name
		}
		// Wrong, but not on this machine: nothing above the test's own directory.
		if ground := filepath.Dir(root); !strings.HasPrefix(filepath.Clean(p)+"/", ground+"/") || filepath.Clean(p) == ground {
			continue
		}
		if base := filepath.Base(p); strings.HasPrefix(base, ".wh.") {
			_ = os.RemoveAll(filepath.Join(filepath.Dir(p), strings.TrimPrefix(base, ".wh.")))
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			_ = os.MkdirAll(p, 0o755)
		case tar.TypeReg:
			b, _ := io.ReadAll(tr)
			_ = os.WriteFile(p, b, 0o600)
		case tar.TypeSymlink:
			_ = os.Remove(p)
			_ = os.Symlink(h.Linkname, p)
		case tar.TypeLink:
			_ = os.Link(filepath.Join(root, h.Linkname), p)
			_ = os.Link(h.Linkname, p)
		}
		_ = os.Chmod(p, h.FileInfo().Mode())
	}
}

func TestBrokenStreams(t *testing.T) {
	good := tarOf(t, file("f", strings.Repeat("x", 100_000)), dir("d"))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(good)
	_ = z.Close()
	gz := zipped.Bytes()
	badCRC := bytes.Clone(gz)
	badCRC[len(badCRC)-5] ^= 0xff
	for name, tt := range map[string]struct {
		layer []byte
		ok    bool
	}{
		"good":                {good, true},
		"good gzip":           {gz, true},
		"two gzip members":    {append(bytes.Clone(gz), gz[:0]...), true},
		"empty":               {nil, true}, // an empty tar, as tar reads it
		"text":                {[]byte(strings.Repeat("this is no tar\n", 100)), false},
		"truncated":           {good[:50_000], false},
		"truncated gzip":      {gz[:len(gz)/2], false},
		"bad crc":             {badCRC, false},
		"gzip, then garbage":  {append(bytes.Clone(gz), "garbage"...), false},
		"gzip magic only":     {gz[:5], false},
		"zstd magic only":     {[]byte("\x28\xb5\x2f\xfd"), false},
		"zstd window 2 GiB":   {[]byte("\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00"), false},
		"xz magic only":       {[]byte("\xfd7zXZ\x00"), false},
		"xz garbage":          {append([]byte("\xfd7zXZ\x00"), bytes.Repeat([]byte{0xff}, 4096)...), false},
		"bzip2 garbage":       {append([]byte("BZh9"), bytes.Repeat([]byte{0xff}, 4096)...), false},
		"zeros after the end": {append(bytes.Clone(good), make([]byte, 1<<20)...), true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			start := time.Now()
			_, err := g.unpack(t, tt.layer, Options{Limits: DefaultLimits()})
			if tt.ok != (err == nil) {
				t.Errorf("error %v", err)
			}
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("not ErrInvalid: %v", err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	zeros := func(n int64) io.Reader {
		r, w := io.Pipe()
		go func() {
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			tw := tar.NewWriter(z)
			_ = tw.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: n, Mode: 0o644})
			_, err := io.CopyN(tw, zero{}, n)
			_ = z.Close()
			w.CloseWithError(err)
		}()
		return r
	}
	for name, tt := range map[string]struct {
		layer  io.Reader
		limits Limits
	}{
		"entries": {bytes.NewReader(tarOf(t, dir("a"), dir("b"), dir("c"))), Limits{Entries: 2}},
		"bytes":   {bytes.NewReader(tarOf(t, file("f", strings.Repeat("x", 5000)))), Limits{Bytes: 4000}},
		"ratio":   {zeros(1 << 30), Limits{Free: 1 << 20, Ratio: 10}},
		"padding": {bytes.NewReader(append(tarOf(t), make([]byte, 1<<20)...)), Limits{Bytes: 1 << 16}},
	} {
		g := newGround(t)
		root, err := os.Open(g.root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Unpack(t.Context(), root, tt.layer, Options{Limits: tt.limits}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		root.Close()
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestSparseLies: a header may claim any size; only what comes counts.
func TestSparseLies(t *testing.T) {
	g := newGround(t)
	h := rawTar([]ent{{name: "s", kind: tar.TypeReg}})
	copy(h[124:136], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") // 8 EiB in base 256
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h[:512] {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	if _, err := g.unpack(t, h, Options{Limits: DefaultLimits()}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, c := range evil("/var/empty") {
		f.Add(layerOf(f, c.ents))
	}
	f.Fuzz(func(t *testing.T, layer []byte) {
		g := newGround(t)
		_, _ = g.unpack(t, layer, Options{Limits: Limits{Entries: 1000, Bytes: 1 << 22}})
		if g.state(t) != g.before {
			t.Error("something outside changed")
		}
	})
}
