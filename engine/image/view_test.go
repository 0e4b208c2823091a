package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/nstest"
)

// mounted mounts the plan's layers as a container would see them and lists what
// is not root's.
func mounted(t *testing.T, p *plan.Plan) []plan.Entry {
	t.Helper()
	if len(p.Layers) == 0 {
		return nil
	}
	mnt := t.TempDir()
	layers := p.Layers
	if len(layers) == 1 {
		layers = append(slices.Clone(layers), t.TempDir()) // overlay wants two lower directories or an upper one
	}
	if err := unix.Mount("overlay", mnt, "overlay", 0, "userxattr,lowerdir="+strings.Join(layers, ":")); err != nil {
		t.Fatal("mount overlay:", err)
	}
	defer func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	var out []plan.Entry
	inodes := map[uint64]string{}
	err := filepath.WalkDir(mnt, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a whiteout of nothing: readdir shows it where one layer only has the directory
		}
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if st.Uid == 0 && st.Gid == 0 {
			return nil
		}
		rel, err := filepath.Rel(mnt, path)
		if err != nil {
			return err
		}
		e := plan.Entry{Path: filepath.Join("/", rel), UID: st.Uid, GID: st.Gid, Mode: st.Mode}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
			if first, ok := inodes[st.Ino]; ok {
				e.Hard = first
			} else {
				inodes[st.Ino] = e.Path
			}
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b plan.Entry) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func show(entries []plan.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %d:%d %o", e.Path, e.UID, e.GID, e.Mode)
		if e.Hard != "" {
			b.WriteString(" = " + e.Hard)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestShiftIsWhatOverlayShows(t *testing.T) {
	nstest.NeedIDs(t)
	s := openStore(t, Options{})
	dir, link, hard := byte(tar.TypeDir), byte(tar.TypeSymlink), byte(tar.TypeLink)
	for name, layers := range map[string][][]ent{
		"none":                     {{{name: "a"}}},
		"one":                      {{{name: "a", uid: 1}, {name: "d", kind: dir, gid: 2}, {name: "d/l", kind: link, link: "x", uid: 3}}},
		"hidden by file":           {{{name: "a", uid: 1}}, {{name: "a"}}},
		"hidden by other owner":    {{{name: "a", uid: 1}}, {{name: "a", uid: 2}}},
		"whiteout":                 {{{name: "a", uid: 1}, {name: "b", uid: 2}}, {{name: ".wh.a"}}},
		"whiteout of directory":    {{{name: "d/a", uid: 1}}, {{name: ".wh.d"}}},
		"opaque":                   {{{name: "d", kind: dir, uid: 5}, {name: "d/a", uid: 1}}, {{name: "d", kind: dir}, {name: "d/.wh..wh..opq"}, {name: "d/b", uid: 2}}},
		"opaque above":             {{{name: "d/e/f/a", uid: 1}}, {{name: "d", kind: dir}, {name: "d/.wh..wh..opq"}}},
		"file over directory":      {{{name: "d/a", uid: 1}}, {{name: "d"}}},
		"link over directory":      {{{name: "d/a", uid: 1}}, {{name: "d", kind: link, link: "e"}}},
		"directory over file":      {{{name: "d", uid: 1}}, {{name: "d", kind: dir}, {name: "d/a", uid: 2}}},
		"directory again":          {{{name: "d", kind: dir, uid: 1}, {name: "d/a", uid: 2}}, {{name: "d", kind: dir}}},
		"removed, then made again": {{{name: "d/a", uid: 1}}, {{name: ".wh.d"}}, {{name: "d/b", uid: 2}}},
		"hard links":               {{{name: "a", uid: 1, data: "x"}, {name: "b", kind: hard, link: "a"}, {name: "c", kind: hard, link: "a"}}},
		"hard link, first hidden":  {{{name: "a", uid: 1, data: "x"}, {name: "b", kind: hard, link: "a"}, {name: "c", kind: hard, link: "a"}}, {{name: ".wh.a"}}},
		"root":                     {{{name: ".", kind: dir, uid: 7}}, {{name: ".", kind: dir, uid: 8}}},
		"root below":               {{{name: ".", kind: dir, uid: 7}, {name: "a", uid: 1}}, {{name: "b"}}},
		"three deep":               {{{name: "d/a", uid: 1}}, {{name: "x"}}, {{name: "d/b", uid: 2}}, {{name: "d/.wh.a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newOCIDir(t)
			for _, ents := range layers {
				l.layer(tarOf(t, ents...))
			}
			p, err := plan.Read(s.dirs, load(t, s, l))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := show(p.Shift), show(mounted(t, p)); got != want {
				t.Errorf("shift\n%swant\n%s", got, want)
			}
		})
	}
}

// TestShiftOfRandomLayers asks the kernel about layers nobody thought of.
func TestShiftOfRandomLayers(t *testing.T) {
	nstest.NeedIDs(t)
	s := openStore(t, Options{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		l := newOCIDir(t)
		for range 1 + rng.IntN(4) {
			l.layer(randomLayer(t, rng))
		}
		loaded, err := s.Load(t.Context(), l.write())
		if errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if err != nil {
			continue // the layer contradicts itself
		}
		p, err := plan.Read(s.dirs, loaded[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := show(p.Shift), show(mounted(t, p)); got != want {
			for _, dir := range p.Layers {
				out, _ := exec.CommandContext(t.Context(), "sh", "-c", `cd "$0" && ls -lnR && getfattr -Rm- .`, dir).CombinedOutput()
				t.Logf("%s", out)
			}
			t.Fatalf("shift\n%swant\n%s", got, want)
		}
	}
}

func randomLayer(t *testing.T, rng *rand.Rand) []byte {
	var ents []ent
	names := []string{"a", "b", "c"}
	used := map[string]bool{}
	for range 1 + rng.IntN(8) {
		var parts []string
		for range 1 + rng.IntN(3) {
			parts = append(parts, names[rng.IntN(len(names))])
		}
		dir := strings.Join(parts[:len(parts)-1], "/")
		base := parts[len(parts)-1]
		e := ent{uid: rng.IntN(3)}
		switch rng.IntN(6) {
		case 0:
			base = ".wh." + base
			e.uid = 0
		case 1:
			base = ".wh..wh..opq"
			e.uid = 0
		case 2:
			e.kind = tar.TypeSymlink
			e.link = "x"
		case 3:
			e.data = "content"
		default:
			e.kind = tar.TypeDir
		}
		e.name = strings.TrimPrefix(dir+"/"+base, "/")
		if used[e.name] {
			continue
		}
		used[e.name] = true
		ents = append(ents, e)
	}
	return tarOf(t, ents...)
}

func TestAccountsAreBounded(t *testing.T) {
	s := openStore(t, Options{})
	line := "u:x:%d:%d::/:\n"
	var big strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&big, line, i, i)
	}
	l := newOCIDir(t).layer(tarOf(t,
		ent{name: "etc/passwd", data: "root:x:0:0\na:x:5:6\nbad\nneg:x:-1:7\nhuge:x:4294967295:4294967296\n\n" + big.String()},
		ent{name: "etc/group", kind: tar.TypeSymlink, link: "/etc/passwd"},
	))
	p, err := plan.Read(s.dirs, load(t, s, l))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.UIDs) < 10_000 || len(p.UIDs) >= 99_999 {
		t.Errorf("%d user IDs", len(p.UIDs))
	}
	if !slices.Contains(p.UIDs, 5) || !slices.Contains(p.GIDs, 6) || slices.Contains(p.UIDs, 1<<32-1) {
		t.Error("the wrong IDs")
	}
}
