package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// anchorMaps are those of a user with 65,536 sub-IDs.
func anchorMaps() idmap.Map {
	return idmap.Map{{Container: 0, Host: 1000, Count: 1}, {Container: 1, Host: 100000, Count: 65536}}
}

func idRun(d paths.Dirs) *run {
	return &run{id: newID(), opts: Options{Dirs: d, UIDs: anchorMaps(), GIDs: anchorMaps()}, network: &network{}}
}

func TestParseUserns(t *testing.T) {
	d := testDirs(t)
	p := someone(t)
	rec := record(t, d, func(r *Record) { r.PID, r.Start = p.PID, p.Start })
	other := record(t, d, func(r *Record) { r.PID, r.Start = p.PID, p.Start })
	container := func(ref string) spec.Namespace { return spec.Namespace{Mode: spec.NamespaceContainer, Ref: ref} }
	for name, c := range map[string]struct {
		n      spec.Namespaces
		kind   idmap.Kind
		target string
		want   string // of the error
	}{
		"default":           {n: spec.Namespaces{}, kind: idmap.Unique},
		"auto":              {n: spec.Namespaces{Userns: "auto:size=5"}, kind: idmap.Auto},
		"wrong":             {n: spec.Namespaces{Userns: "x"}, want: "--userns=x"},
		"by hand":           {n: spec.Namespaces{UIDMap: []string{"0:0:1"}}, kind: idmap.Explicit},
		"by hand, wrong":    {n: spec.Namespaces{UIDMap: []string{"0:x"}}, want: "0:x"},
		"both":              {n: spec.Namespaces{UIDMap: []string{"0:0:1"}, Userns: "auto"}, want: "cannot be combined"},
		"name":              {n: spec.Namespaces{SubUIDName: "nosuchuser"}, want: "nosuchuser"},
		"container":         {n: spec.Namespaces{Userns: "container:x"}, kind: idmap.Container, target: "x"},
		"its path":          {n: spec.Namespaces{Userns: fmt.Sprintf("ns:/proc/%d/ns/user", p.PID)}, kind: idmap.Container, target: rec.ID},
		"own path":          {n: spec.Namespaces{Userns: "ns:/proc/self/ns/user"}, want: "not the user namespace"},
		"other file":        {n: spec.Namespaces{Userns: fmt.Sprintf("ns:/proc/%d/ns/pid", p.PID)}, want: "not the user namespace"},
		"other path":        {n: spec.Namespaces{Userns: "ns:/tmp/x"}, want: "not the user namespace"},
		"stranger's path":   {n: spec.Namespaces{Userns: "ns:/proc/1/ns/user"}, want: "not the user namespace"},
		"pid of container":  {n: spec.Namespaces{PID: container(rec.Name)}, kind: idmap.Container, target: rec.ID},
		"ipc, cgroup":       {n: spec.Namespaces{IPC: container(rec.Name), Cgroup: container(rec.ID)}, kind: idmap.Container, target: rec.ID},
		"uts alone":         {n: spec.Namespaces{UTS: container(rec.Name)}, kind: idmap.Unique},
		"of two containers": {n: spec.Namespaces{PID: container(rec.Name), IPC: container(other.Name)}, want: "two containers"},
		"of none":           {n: spec.Namespaces{PID: container("nosuch")}, want: "no such container"},
		"pid, own IDs":      {n: spec.Namespaces{PID: container(rec.Name), Userns: "auto"}, kind: idmap.Auto},
	} {
		r := idRun(d)
		r.spec.Namespaces = c.n
		err := r.parseUserns()
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil || r.mode.Kind != c.kind || name != "its path" && c.target != r.mode.Target {
			t.Errorf("%s: %+v %v", name, r.mode, err)
		}
	}
	r := idRun(d)
	r.opts.UIDs = anchorMaps()[:1]
	if err := r.parseUserns(); !errors.Is(err, idmap.ErrNoSubIDs) || !strings.Contains(hint.Of(err), "--userns=single") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	r.spec.Namespaces.Userns = "single"
	must(t, r.parseUserns())
}

func TestTakeSlice(t *testing.T) {
	d := testDirs(t)
	taken := func(mode string, change func(r *run)) *run {
		r := idRun(d)
		var err error
		r.mode, err = idmap.ParseMode(mode)
		must(t, err)
		if change != nil {
			change(r)
		}
		must(t, r.takeSlice(t.Context()))
		t.Cleanup(r.cleanUp)
		return r
	}
	// What the image, its user and the flags name is there, wherever it lies.
	r := taken("unique", func(r *run) {
		r.image = image{plan: &plan.Plan{ID: "i", UIDs: []uint32{70000}, GIDs: []uint32{71000}}, cfg: plan.Config{User: "72000:73000"}}
		r.spec.Process.Groups = []string{"74000", "name"}
	})
	for _, id := range []uint32{0, 1, 1000, 70000, 72000, nobody} {
		if _, ok := r.uids.Host(id); !ok {
			t.Errorf("no UID %d in %v", id, r.uids)
		}
	}
	for _, id := range []uint32{71000, 73000, 74000} {
		if _, ok := r.gids.Host(id); !ok {
			t.Errorf("no GID %d in %v", id, r.gids)
		}
	}
	if host, _ := r.uids.Host(0); host != 0 {
		t.Error("root is not the caller")
	}
	s := taken("unique", func(r *run) { r.image.cfg.User = "72000"; r.spec.Process.User = "75000" })
	if _, ok := s.uids.Host(75000); !ok {
		t.Error("the user asked for has no ID")
	}
	if s.slice.Ref.First == r.slice.Ref.First {
		t.Error("two containers share a slice")
	}
	if a := taken("auto", nil); a.uids == nil {
		t.Error("no map")
	} else if host, _ := a.uids.Host(0); host == 0 {
		t.Error("root of auto is the caller")
	}
	if one := taken("single", nil); one.slice != nil || one.uids.Size() != 1 {
		t.Errorf("single: %v", one.uids)
	}
	if h := taken("host", nil); h.slice != nil || h.uids.Size() != 65537 {
		t.Errorf("host: %v", h.uids)
	}
	// IDs given by hand are held, so that no slice is made of them.
	byHand := idRun(d)
	var err error
	byHand.mode, err = idmap.ExplicitMode([]string{"0:0:1", "1:30001:1000"}, nil)
	must(t, err)
	must(t, byHand.takeSlice(t.Context()))
	t.Cleanup(byHand.cleanUp)
	if byHand.slice == nil {
		t.Error("not held")
	}
	if _, err := idmap.ExplicitMode([]string{"0:99999999:1"}, nil); err == nil {
		wrong := idRun(d)
		wrong.mode, _ = idmap.ExplicitMode([]string{"0:99999999:1"}, nil)
		if wrong.takeSlice(t.Context()) == nil {
			t.Error("IDs that nobody has")
		}
	}
}

// A container that starts again gets its old IDs if nobody else has them.
func TestSliceIsAskedForAgain(t *testing.T) {
	d := testDirs(t)
	take := func(image string, ref *idmap.SliceRef) *run {
		r := idRun(d)
		r.image.name, r.record.SliceRef = image, ref
		must(t, r.takeSlice(t.Context()))
		t.Cleanup(r.cleanUp)
		return r
	}
	first, other := take("a", nil), take("b", nil)
	ref, others := first.slice.Ref, other.slice.Ref
	first.cleanUp()
	other.cleanUp()
	if ref == others {
		t.Fatal("two containers share a slice")
	}
	again := take("b", &ref) // its image would rather have the other
	if again.slice.Ref != ref || !slices.Equal(again.uids, first.uids) {
		t.Errorf("%v, want %v", again.slice.Ref, ref)
	}
	late := take("a", &ref)
	if late.slice.Ref == ref || slices.Equal(late.uids, again.uids) {
		t.Errorf("two containers share %v", late.uids)
	}
}

// Sharing a user namespace is sharing its IDs, and holding them too.
func TestJoinContainer(t *testing.T) {
	d := testDirs(t)
	p := someone(t)
	first := idRun(d)
	must(t, first.takeSlice(t.Context()))
	defer first.cleanUp()
	kinds := map[string]Record{}
	for _, kind := range []string{"unique", "single", "host", "explicit"} {
		kinds[kind] = record(t, d, func(r *Record) {
			r.PID, r.Start, r.Userns, r.UIDMap, r.GIDMap = p.PID, p.Start, kind, first.uids, first.gids
			if kind == "unique" {
				r.ID, r.Name = first.id, "first"
			}
		})
	}
	for kind, rec := range kinds {
		r := idRun(d)
		r.mode = idmap.Mode{Kind: idmap.Container, Target: rec.ID}
		if kind == "explicit" { // nobody holds such IDs as a slice
			r.opts.UIDs, r.opts.GIDs = anchorMaps(), anchorMaps()
			rec.UIDMap = idmap.Map{{Container: 0, Host: 40000, Count: 1}}
			rec.GIDMap = rec.UIDMap
			must(t, saveRecord(rec.dir, rec))
		}
		must(t, r.takeSlice(t.Context()))
		defer r.cleanUp()
		if !slices.Equal(r.uids, rec.UIDMap) {
			t.Errorf("%s: %v", kind, r.uids)
		}
		if holds := r.slice != nil; holds != (kind == "unique" || kind == "explicit") {
			t.Errorf("%s: holds a slice: %v", kind, holds)
		}
		if kind == "unique" && r.slice.Ref != first.slice.Ref {
			t.Errorf("another slice: %v", r.slice.Ref)
		}
		if (r.usernsPath == "") != (kind == "host") {
			t.Errorf("%s: namespace %q", kind, r.usernsPath)
		}
	}
	r := idRun(d)
	r.mode = idmap.Mode{Kind: idmap.Container, Target: record(t, d, nil).ID}
	if err := r.takeSlice(t.Context()); !errors.Is(err, errJoin) {
		t.Errorf("joined one that does not run: %v", err)
	}
}

// What a container wrote follows it to other IDs.
func TestFollowIDs(t *testing.T) {
	nstest.NeedIDs(t)
	oldMap, newMap := sliceMaps(), idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 9001, Count: 2999}, {Container: 65534, Host: 12500, Count: 1}}
	layer := makeLayer(t,
		file{kind: 'f', path: "suid", uid: 3033, gid: 3044, mode: 0o6755, text: "x"},
		file{kind: 'h', path: "twin", text: "suid"},
		file{kind: 'l', path: "link", uid: 3033, text: "/etc/passwd"},
		file{kind: 'd', path: "d", uid: 3005, gid: 3005, mode: 0o2750},
		file{kind: 'f', path: "d/caller", mode: 0o644},
		file{kind: 'p', path: "pipe", uid: 3001, mode: 0o600},
		file{kind: 'c', path: "gone"},
	)
	withCaps := layer + "/suid"
	caps := []byte{0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // cap_net_bind_service=p
	must(t, unix.Setxattr(withCaps, "security.capability", caps, 0))
	// user 33 and group 44 may read a file that belongs to root
	acl := func(user, group uint32) []byte {
		out := binary.LittleEndian.AppendUint32(nil, 2)
		for _, e := range [][2]uint32{{1 | 6<<16, 0xffffffff}, {2 | 4<<16, user}, {4 | 4<<16, 0xffffffff}, {8 | 4<<16, group}, {16 | 4<<16, 0xffffffff}, {32, 0xffffffff}} {
			out = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(out, e[0]), e[1])
		}
		return out
	}
	const attr = "system.posix_acl_access"
	must(t, unix.Setxattr(layer+"/d/caller", attr, acl(3033, 3044), 0))
	before := describe(t, layer, oldMap, oldMap)
	r := &run{dir: t.TempDir(), uids: newMap, gids: newMap, record: Record{UIDMap: oldMap, GIDMap: oldMap}}
	must(t, os.Rename(layer, r.dir+"/upper"))
	must(t, os.MkdirAll(r.dir+"/work/work", 0o700))
	must(t, os.Chown(r.dir+"/work/work", 3001, 3001))
	must(t, os.WriteFile(r.dir+"/"+recordFile, nil, 0o600))
	for range 2 { // once more, as after an interruption
		must(t, r.followIDs(t.Context()))
		same(t, describe(t, r.dir+"/upper", newMap, newMap), before)
	}
	got := make([]byte, 64)
	if n, err := unix.Getxattr(r.dir+"/upper/d/caller", attr, got); err != nil || !slices.Equal(got[:n], acl(9033, 9044)) {
		t.Errorf("ACL % x, %v", got[:max(n, 0)], err)
	}
	if n, err := unix.Getxattr(r.dir+"/upper/suid", "security.capability", got); err != nil || !slices.Equal(got[:n], caps) {
		t.Errorf("capabilities % x, %v", got[:max(n, 0)], err)
	}
	var st unix.Stat_t
	must(t, unix.Stat(r.dir+"/work/work", &st))
	if st.Uid != 3001 {
		t.Error("overlay's own directory was touched")
	}
	ctx, cancel := contextDone(t)
	cancel()
	r.uids, r.record.UIDMap = oldMap, newMap
	if err := r.followIDs(ctx); !errors.Is(err, ctx.Err()) {
		t.Errorf("%v", err)
	}
	r.record.UIDMap = nil // never started
	must(t, r.followIDs(t.Context()))
}

func TestChownTree(t *testing.T) {
	nstest.NeedIDs(t)
	r := &run{uids: sliceMaps(), gids: sliceMaps(), who: identity{uid: 5, gid: 6}}
	tree := makeLayer(t,
		file{kind: 'd', path: "d", mode: 0o755}, file{kind: 'f', path: "d/f", mode: 0o644},
		file{kind: 'l', path: "l", text: "d/f"}, file{kind: 'd', path: "m", mode: 0o755}, file{kind: 'f', path: "z", mode: 0o644},
	)
	must(t, sys.Mount("x", tree+"/m", "tmpfs", 0, ""))
	defer sys.UnmountDetach(tree + "/m") //nolint:errcheck // the test is over
	must(t, os.WriteFile(tree+"/m/inside", nil, 0o644))
	must(t, sys.Mount("/dev/null", tree+"/d/f", "", sys.MountBind, "")) // a file of another file system
	defer sys.UnmountDetach(tree + "/d/f")                              //nolint:errcheck // the test is over
	link := t.TempDir() + "/link"
	must(t, os.Symlink(tree, link))
	must(t, r.chownTree(link)) // -v LINK:DST:U
	for path, want := range map[string]uint32{".": 3005, "d": 3005, "l": 3005, "z": 3005, "m/inside": 0} {
		var st unix.Stat_t
		must(t, unix.Lstat(tree+"/"+path, &st))
		if st.Uid != want {
			t.Errorf("%s is %d's, want %d", path, st.Uid, want)
		}
	}
	must(t, r.chownTree(tree+"/z"))
	if err := r.chownTree(tree + "/nosuch"); err == nil {
		t.Error("no error")
	}
}
