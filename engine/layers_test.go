package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/nstest"
)

// twoLayers is an image with everything that matters in it, and its plan.
func twoLayers(t testing.TB) *plan.Plan {
	t.Helper()
	nstest.NeedIDs(t)
	top := makeLayer(t,
		file{kind: 'd', path: "etc", mode: 0o711},
		file{kind: 'f', path: "etc/shadow", gid: 42, mode: 0o640, text: "top"},
		file{kind: 'd', path: "var", mode: 0o755},
		file{kind: 'd', path: "var/mail", uid: 8, gid: 8, mode: 0o2775, xattrs: map[string]string{"user.overlay.opaque": "y", "user.test": "d"}},
		file{kind: 'f', path: "var/mail/new", uid: 8, gid: 8, mode: 0o600, text: "new"},
		file{kind: 'c', path: "etc/gone"},
	)
	bottom := makeLayer(t,
		file{kind: 'd', path: "etc", uid: 5, mode: 0o755},
		file{kind: 'f', path: "etc/gone", uid: 7, mode: 0o644, text: "hidden"},
		file{kind: 'f', path: "etc/shadow", uid: 9, mode: 0o644, text: "hidden"},
		file{kind: 'd', path: "home", mode: 0o755, xattrs: map[string]string{"user.test": "h"}},
		file{kind: 'd', path: "home/u", uid: 1000, gid: 1000, mode: 0o700},
		file{kind: 'f', path: "home/u/suid", uid: 1000, gid: 1000, mode: 0o6755, text: "s", xattrs: map[string]string{"user.test": "v"}},
		file{kind: 'h', path: "home/u/twin", text: "home/u/suid"},
		file{kind: 'l', path: "home/u/link", uid: 1000, gid: 7, text: "/etc/shadow"},
		file{kind: 'p', path: "home/u/pipe", uid: 1000, gid: 1000, mode: 0o620},
		file{kind: 'd', path: "home/u/rootdir", mode: 0o755},
		file{kind: 'f', path: "home/u/rootdir/x", uid: 1, gid: 2999, mode: 0o444, text: "x"},
		file{kind: 'd', path: "var", mode: 0o755},
		file{kind: 'd', path: "var/mail", mode: 0o755},
		file{kind: 'f', path: "var/mail/old", uid: 8, mode: 0o600, text: "hidden"},
		file{kind: 'f', path: "plain", mode: 0o644, text: "plain"},
	)
	return &plan.Plan{
		ID: strings.Repeat("ab", 32), Layers: []string{top, bottom},
		UIDs: []uint32{1, 5, 8, 1000}, GIDs: []uint32{7, 8, 42, 1000, 2999},
		Shift: []plan.Entry{
			{Path: "/etc/shadow", Layer: 0, GID: 42},
			{Path: "/home/u", Layer: 1, UID: 1000, GID: 1000},
			{Path: "/home/u/link", Layer: 1, UID: 1000, GID: 7, Link: "/etc/shadow"},
			{Path: "/home/u/pipe", Layer: 1, UID: 1000, GID: 1000},
			{Path: "/home/u/rootdir/x", Layer: 1, UID: 1, GID: 2999},
			{Path: "/home/u/suid", Layer: 1, UID: 1000, GID: 1000},
			{Path: "/home/u/twin", Layer: 1, UID: 1000, GID: 1000, Hard: "/home/u/suid"},
			{Path: "/var/mail", Layer: 0, UID: 8, GID: 8},
			{Path: "/var/mail/new", Layer: 0, UID: 8, GID: 8},
		},
	}
}

// anchorView is the image as it lies there: what a container must see too.
func anchorView(t *testing.T, p *plan.Plan) []string {
	t.Helper()
	whole := idmap.Map{{Container: 0, Host: 0, Count: 60000}}
	return describe(t, merge(t, p.Layers), whole, whole)
}

func TestShiftLayerShowsTheImage(t *testing.T) {
	p := twoLayers(t)
	want := anchorView(t, p)
	dir, m := t.TempDir(), sliceMaps()
	layer, err := shiftLayer(t.Context(), dir, "key", p, testOwners(m, m))
	must(t, err)
	got := describe(t, merge(t, append([]string{layer}, p.Layers...)), m, m)
	same(t, got, want)
	// The two names are one file still.
	var a, b unix.Stat_t
	must(t, unix.Stat(layer+"/home/u/suid", &a))
	must(t, unix.Stat(layer+"/home/u/twin", &b))
	if a.Ino != b.Ino || a.Nlink != 2 {
		t.Errorf("inodes %d and %d, %d links", a.Ino, b.Ino, a.Nlink)
	}
	// Only what has to be is copied.
	if exists(layer+"/plain") || exists(layer+"/var/mail/old") {
		t.Error("more than the plan says was copied")
	}
	again, err := shiftLayer(t.Context(), dir, "key", p, testOwners(m, m))
	if err != nil || again != layer {
		t.Errorf("%q %v", again, err)
	}
	left, err := names(dir)
	if err != nil || !slices.Equal(left, []string{"key"}) {
		t.Errorf("left %q %v", left, err)
	}
}

func TestShiftLayerFails(t *testing.T) {
	p := twoLayers(t)
	m := sliceMaps()
	for name, change := range map[string]func(p *plan.Plan){
		"file is missing":   func(p *plan.Plan) { p.Shift = append(p.Shift, plan.Entry{Path: "/nosuch", UID: 5}) },
		"parent is missing": func(p *plan.Plan) { p.Shift = append(p.Shift, plan.Entry{Path: "/no/such", UID: 5}) },
		"layer is missing":  func(p *plan.Plan) { p.Layers = []string{"/nosuch", "/nosuch"} },
		"no such layer":     func(p *plan.Plan) { p.Shift = []plan.Entry{{Path: "/x", Layer: 7, UID: 5}} },
		"parent is a link":  func(p *plan.Plan) { p.Shift = []plan.Entry{{Path: "/home/u/link/x", Layer: 1, UID: 5}} },
		"link to nowhere":   func(p *plan.Plan) { p.Shift = []plan.Entry{{Path: "/plain", Layer: 1, UID: 5, Hard: "/nosuch"}} },
	} {
		dir, q := t.TempDir(), *p
		q.Shift = slices.Clone(p.Shift)
		change(&q)
		if layer, err := shiftLayer(t.Context(), dir, "key", &q, testOwners(m, m)); err == nil {
			t.Errorf("%s: made %s", name, layer)
		}
		if left, _ := names(dir); len(left) != 0 {
			t.Errorf("%s: left %q", name, left)
		}
	}
	// Half a layer never has the name of a whole one.
	ctx, cancel := contextDone(t)
	cancel()
	dir := t.TempDir()
	if _, err := shiftLayer(ctx, dir, "key", p, testOwners(m, m)); err == nil || exists(dir+"/key") {
		t.Errorf("cancelled: %v", err)
	}
}

// A link of the image in place of a directory must not lead the copy anywhere.
func TestShiftLayerStaysInside(t *testing.T) {
	nstest.NeedIDs(t)
	out := makeLayer(t, file{kind: 'f', path: "secret", uid: 5, mode: 0o644, text: "SECRET"})
	layer := makeLayer(t, file{kind: 'l', path: "etc", text: out})
	p := &plan.Plan{ID: "x", Layers: []string{layer}, Shift: []plan.Entry{{Path: "/etc/secret", UID: 5}}}
	m := sliceMaps()
	if _, err := shiftLayer(t.Context(), t.TempDir(), "key", p, testOwners(m, m)); err == nil {
		t.Error("followed the link")
	}
	p.Shift = []plan.Entry{{Path: "/../../.." + out + "/secret", UID: 5}}
	if _, err := shiftLayer(t.Context(), t.TempDir(), "key", p, testOwners(m, m)); err == nil {
		t.Error("climbed out")
	}
}

func TestReownedLayersShowTheImage(t *testing.T) {
	p := twoLayers(t)
	want := anchorView(t, p)
	dir, m := t.TempDir(), movedMaps()
	layers, err := reownImage(t.Context(), dir, "key", p, testOwners(m, m), nil)
	must(t, err)
	got := describe(t, merge(t, layers), m, m)
	// The root of the merged tree is the empty writable layer's, made as root of the anchor.
	got[0] = want[0]
	same(t, got, want)
	var st unix.Stat_t
	must(t, unix.Stat(layers[1]+"/home/u/twin", &st))
	if st.Nlink != 2 {
		t.Errorf("%d links", st.Nlink)
	}
	must(t, unix.Stat(layers[0], &st))
	if st.Uid != 3000 || st.Gid != 3000 {
		t.Errorf("the root is %d:%d's", st.Uid, st.Gid)
	}
	again, err := reownImage(t.Context(), dir, "key", p, testOwners(m, m), nil)
	if err != nil || !slices.Equal(again, layers) {
		t.Errorf("%q %v", again, err)
	}
	other, err := reownImage(t.Context(), dir, "other", p, testOwners(m, m), nil)
	if err != nil || other[0] == layers[0] {
		t.Errorf("%q %v", other, err)
	}
	if left, _ := names(filepath.Join(dir, layersDir)); len(left) != 4 {
		t.Errorf("left %q", left)
	}
}

func TestReownFails(t *testing.T) {
	p := twoLayers(t)
	m := movedMaps()
	q := *p
	q.Layers = []string{"/nosuch/layer/diff"}
	dir := t.TempDir()
	if _, err := reownImage(t.Context(), dir, "key", &q, testOwners(m, m), nil); err == nil {
		t.Error("no error for a missing layer")
	}
	ctx, cancel := contextDone(t)
	cancel()
	if _, err := reownImage(ctx, dir, "key", p, testOwners(m, m), nil); err == nil {
		t.Error("no error when cancelled")
	}
	if left, _ := names(filepath.Join(dir, layersDir)); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

// Who has no ID in the container is nobody there, never somebody else.
func TestStrangersStayStrangers(t *testing.T) {
	p := twoLayers(t)
	// By hand: 1000 of the container is 8 of the anchor, where the image's 8 lies too.
	m := idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1000, Host: 8, Count: 1}, {Container: 42, Host: 1000, Count: 1}}
	layer, err := shiftLayer(t.Context(), t.TempDir(), "key", p, testOwners(m, m))
	must(t, err)
	root := merge(t, append([]string{layer}, p.Layers...))
	for _, line := range describe(t, root, m, m) {
		name, rest, _ := strings.Cut(line, " ")
		owner := strings.Fields(rest)[1]
		want := map[string]string{
			"/home/u": "1000:1000", "/home/u/suid": "1000:1000", "/home/u/link": "1000:65534", "/etc/shadow": "0:42",
			"/var/mail": "65534:65534", "/var/mail/new": "65534:65534", "/plain": "0:0", "/home/u/rootdir/x": "65534:65534",
		}[name]
		if want != "" && owner != want {
			t.Errorf("%s is %s's, want %s", name, owner, want)
		}
	}
}

// A directory above a file that is re-owned keeps its own owner.
func TestParentsKeepTheirOwner(t *testing.T) {
	nstest.NeedIDs(t)
	layer := makeLayer(t, file{kind: 'd', path: "d", uid: 7, gid: 7, mode: 0o750}, file{kind: 'f', path: "d/f", uid: 42, mode: 0o644})
	p := &plan.Plan{ID: "x", Layers: []string{layer}, Shift: []plan.Entry{{Path: "/d", UID: 7, GID: 7}, {Path: "/d/f", UID: 42}}}
	m := idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 42, Host: 3042, Count: 1}} // 7 is nobody
	top, err := shiftLayer(t.Context(), t.TempDir(), "key", p, testOwners(m, m))
	must(t, err)
	got := describe(t, merge(t, []string{top, layer}), m, m)
	if !strings.Contains(got[1], "65534:65534") || !strings.Contains(got[2], "42:0") {
		t.Errorf("%q", got)
	}
}

func TestOwnerMap(t *testing.T) {
	m := idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 11, Count: 5}}
	o := ownerMap{uids: m, gids: m, anchorUIDs: 20, anchorGIDs: 17}
	for _, c := range []struct {
		uid, gid uint32
		u, g     int
	}{
		{0, 0, 0, 0}, {1, 5, 11, 15}, {6, 10, 6, 10}, {11, 15, 19, 16}, {13, 3, 19, 13},
	} {
		u, g, err := o.of(c.uid, c.gid)
		if u != c.u || g != c.g || err != nil {
			t.Errorf("%d:%d: %d:%d %v", c.uid, c.gid, u, g, err)
		}
	}
	if !o.stays(0, 6) || o.stays(1, 0) || o.stays(0, 11) {
		t.Error("stays is wrong")
	}
	if _, _, err := (ownerMap{uids: idmap.Map{{Container: 9, Host: 0, Count: 4}}, anchorUIDs: 4}).of(2, 0); err == nil {
		t.Error("no error")
	}
}

// The root directory is the writable layer's, so its attributes must be given.
func TestRootAttributes(t *testing.T) {
	nstest.NeedIDs(t)
	plainLayer := makeLayer(t)
	odd := makeLayer(t, file{kind: 'd', path: ".", uid: 7, gid: 8, mode: 0o1750})
	closed := makeLayer(t, file{kind: 'd', path: ".", mode: 0o700})
	moved := makeLayer(t, file{kind: 'd', path: ".", uid: 3007, gid: 3008, mode: 0o750})
	small := idmap.Map{{Container: 0, Host: 0, Count: 1}}
	for name, c := range map[string]struct {
		layers []string
		m      idmap.Map
		noPlan bool
		want   string
	}{
		"says nothing":          {[]string{plainLayer, plainLayer}, sliceMaps(), false, "755 0:0"},
		"owner and mode":        {[]string{plainLayer, odd}, sliceMaps(), false, "1750 3007:3008"},
		"topmost that says":     {[]string{closed, odd}, sliceMaps(), false, "700 0:0"},
		"owner is not mapped":   {[]string{odd}, small, false, "1750 0:0"},
		"re-owned":              {[]string{moved}, movedMaps(), false, "750 3007:3008"},
		"re-owned, plain":       {[]string{plainLayer}, movedMaps(), false, "755 3000:3000"},
		"a directory, not ours": {[]string{odd}, sliceMaps(), true, "1750 0:0"},
	} {
		r := &run{uids: c.m, gids: c.m, opts: Options{UIDs: sliceMaps(), GIDs: sliceMaps()}}
		if !c.noPlan {
			r.image.plan = &plan.Plan{}
		}
		mode, uid, gid, err := r.rootAttributes(c.layers)
		if got := fmt.Sprintf("%o %d:%d", mode, uid, gid); got != c.want || err != nil {
			t.Errorf("%s: %s %v, want %s", name, got, err, c.want)
		}
	}
	if _, _, _, err := (&run{}).rootAttributes([]string{"/nosuch"}); err == nil {
		t.Error("a missing layer passed")
	}
}

func TestManyLayers(t *testing.T) {
	var layers []string
	for i := range 120 {
		layers = append(layers, makeLayer(t, file{kind: 'f', path: fmt.Sprintf("f%d", i), mode: 0o644, text: fmt.Sprint(i)}, file{kind: 'f', path: "all", mode: 0o644, text: fmt.Sprint(i)}))
	}
	root := merge(t, layers)
	for _, i := range []int{0, 60, 119} {
		if readFile(t, fmt.Sprintf("%s/f%d", root, i)) != fmt.Sprint(i) {
			t.Errorf("layer %d is missing", i)
		}
	}
	if readFile(t, root+"/all") != "0" {
		t.Error("the first layer is not the topmost")
	}
	s := scaffold{dir: t.TempDir()}
	must(t, os.MkdirAll(s.path("l"), 0o755))
	err := mountOverlay(s, slices.Repeat(layers, 10), "", "", false)
	contains(t, fmt.Sprint(err), "too many layers (1200)")
	if err := mountOverlay(s, layers, "", "", false); err == nil {
		t.Error("the links of one tag are used twice")
	}
}
