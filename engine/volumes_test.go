package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/nstest"
)

func volumeAt(dest string) spec.Mount {
	m := spec.AnonymousVolume(dest)
	m.Source = "v"
	return m
}

func TestFillVolume(t *testing.T) {
	for name, c := range map[string]struct {
		m      spec.Mount
		option map[string]string
		plan   bool
		want   string // what is in it, and its mode; "": an error
	}{
		"starts with the image's":    {m: volumeAt("/real/data"), plan: true, want: "f 0750"},
		"links stay inside":          {m: volumeAt("/link/data"), plan: true, want: "f 0750"},
		"image has nothing there":    {m: volumeAt("/new"), plan: true, want: " 0755"},
		"nocopy":                     {m: spec.Mount{Source: "v", Dest: "/real/data", NoCopyUp: true}, plan: true, want: " 0750"},
		"nocopy of the volume":       {m: volumeAt("/real/data"), option: map[string]string{"nocopy": ""}, plan: true, want: " 0750"},
		"a file is no volume":        {m: volumeAt("/file"), plan: true},
		"magic links lead nowhere":   {m: volumeAt("/proc/self/root"), plan: true, want: " 0755"},
		"a directory, or the host":   {m: volumeAt("/real/data"), want: " 0755"},
		"an owner that is not there": {m: volumeAt("/new"), option: map[string]string{"o": "uid=5000"}, plan: true},
	} {
		r := mountRun(t)
		r.opts.Dirs = testDirs(t)
		root := r.scaffold.root()
		must(t, os.MkdirAll(root+"/real/data", 0o755))
		must(t, os.WriteFile(root+"/real/data/f", nil, 0o644))
		must(t, os.Chmod(root+"/real/data", 0o750))
		must(t, os.Symlink("../../../real", root+"/link"))
		must(t, os.WriteFile(root+"/file", nil, 0o644))
		r.image.plan = nil
		if c.plan {
			r.image.plan = &plan.Plan{}
		}
		s := volumeStore(r.opts.Dirs)
		must(t, s.Create(volume.Volume{Name: "v", Options: c.option}))
		got, err := r.volumeMount(t.Context(), c.m, 0)
		if c.want == "" {
			if v, _ := s.Get("v"); err == nil || v.Filled {
				t.Errorf("%s: %+v %v", name, v, err)
			}
			continue
		}
		must(t, err)
		if state := contents(t, s.Data("v")); got.Source != s.Data("v") || state != c.want {
			t.Errorf("%s: %q at %s", name, state, got.Source)
		}
		// Once only.
		must(t, os.RemoveAll(s.Data("v")+"/f"))
		if _, err := r.volumeMount(t.Context(), c.m, 0); err != nil || exists(s.Data("v")+"/f") {
			t.Errorf("%s: filled again: %v", name, err)
		}
	}
}

// contents are the names in a directory and its mode.
func contents(t *testing.T, dir string) string {
	t.Helper()
	list, err := names(dir)
	must(t, err)
	info, err := os.Stat(dir)
	must(t, err)
	slices.Sort(list)
	return fmt.Sprintf("%s %04o", strings.Join(list, " "), info.Mode().Perm())
}

// A copy that was interrupted is thrown away; what a user put there is not.
func TestFillInterrupted(t *testing.T) {
	r := mountRun(t)
	r.opts.Dirs, r.image.plan = testDirs(t), &plan.Plan{}
	must(t, os.MkdirAll(r.scaffold.root()+"/d", 0o755))
	must(t, os.WriteFile(r.scaffold.root()+"/d/new", nil, 0o644))
	s := volumeStore(r.opts.Dirs)
	for filling, want := range map[bool]string{true: "new 0755", false: "old 0755"} {
		must(t, s.Create(volume.Volume{Name: "v", Filling: filling}))
		must(t, os.WriteFile(s.Data("v")+"/old", nil, 0o644))
		_, err := r.volumeMount(t.Context(), volumeAt("/d"), 0)
		must(t, err)
		if got := contents(t, s.Data("v")); got != want {
			t.Errorf("%v: %q", filling, got)
		}
		must(t, RemoveVolume(t.Context(), r.opts.Dirs, "v"))
	}
}

// Wherever the re-owning of a volume is interrupted, the next user finishes it.
func TestMoveVolume(t *testing.T) {
	nstest.NeedIDs(t)
	d := testDirs(t)
	s := volumeStore(d)
	third := idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 20001, Count: 2999}, {Container: 65534, Host: 23500, Count: 1}}
	keepID := idmap.Map{{Container: 0, Host: 3000, Count: 1}, {Container: 1, Host: 3001, Count: 999}, {Container: 1000, Host: 0, Count: 1}, {Container: 1001, Host: 4001, Count: 1999}, {Container: 65534, Host: 6500, Count: 1}}
	for name, c := range map[string]struct{ from, to idmap.Map }{
		"another slice":          {sliceMaps(), idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 9001, Count: 2999}, {Container: 65534, Host: 12500, Count: 1}}},
		"the same, root moves":   {sliceMaps(), movedMaps()},
		"the same, IDs exchange": {sliceMaps(), keepID},
		"and back":               {keepID, sliceMaps()},
	} {
		for stop := range 14 {
			must(t, s.Create(volume.Volume{Name: "v", Owners: volume.Owners{UIDs: c.from, GIDs: c.from}}))
			layer := makeLayer(t,
				file{kind: 'f', path: "root", uid: hostOf(c.from, 0), gid: hostOf(c.from, 0), mode: 0o600},
				file{kind: 'f', path: "user", uid: hostOf(c.from, 1000), gid: hostOf(c.from, 1000), mode: 0o4755},
				file{kind: 'd', path: "d", uid: hostOf(c.from, 33), gid: hostOf(c.from, 65534), mode: 0o2750},
				file{kind: 'f', path: "d/in", uid: hostOf(c.from, 1000), gid: hostOf(c.from, 5), mode: 0o644},
			)
			must(t, os.Rename(layer, s.Data("v")+".new"))
			must(t, os.Remove(s.Data("v")))
			must(t, os.Rename(s.Data("v")+".new", s.Data("v")))
			before := describe(t, s.Data("v"), c.from, c.from)
			move := func(stop int, to idmap.Map) error {
				r := idRun(d)
				r.uids, r.gids = to, to
				defer r.cleanUp()
				ledger, err := r.ledger()
				must(t, err)
				for _, m := range []idmap.Map{c.from, to} { // as volumes and containers do
					held, err := ledger.TakeMapped(t.Context(), "x", m, m)
					must(t, err)
					defer func() { _ = held.Release() }()
				}
				return r.holdVolume(stopAfter{t.Context(), &stop}, "v")
			}
			err := move(stop, c.to)
			if err != nil && !errors.Is(err, errStop) {
				t.Fatalf("%s: %v", name, err)
			}
			next := c.to
			if stop%2 == 1 {
				next = third
			}
			must(t, move(1000, next))
			same(t, describe(t, s.Data("v"), next, next), before)
			must(t, RemoveVolume(t.Context(), d, "v"))
		}
	}
}

// errStop is the error of a context that ends when it has been asked often enough.
var errStop = errors.New("stop")

type stopAfter struct {
	context.Context //nolint:containedctx // it is one
	left            *int
}

func (s stopAfter) Err() error {
	if *s.left--; *s.left < 0 {
		return errStop
	}
	return nil
}

func hostOf(m idmap.Map, id uint32) int {
	host, _ := m.Host(id)
	return int(host)
}

func TestVolumeOfOthers(t *testing.T) {
	d := testDirs(t)
	s := volumeStore(d)
	must(t, s.Create(volume.Volume{Name: "v", Owners: volume.Owners{UIDs: sliceMaps(), GIDs: sliceMaps()}}))
	p := someone(t)
	record(t, d, func(r *Record) {
		r.PID, r.Start, r.Name = p.PID, p.Start, "web"
		r.Spec.Mounts = []spec.Mount{volumeAt("/x")}
	})
	r := idRun(d)
	r.uids, r.gids = sliceMaps(), sliceMaps()
	must(t, r.holdVolume(t.Context(), "v"))
	r.uids, r.gids = movedMaps(), movedMaps()
	if err := r.holdVolume(t.Context(), "v"); !errors.Is(err, volume.ErrInUse) || !strings.Contains(err.Error(), "by web, which has other IDs") {
		t.Errorf("%v", err)
	}
	r.cleanUp()
	if _, err := RemoveUnused(t.Context(), d, "v", false); !errors.Is(err, volume.ErrInUse) {
		t.Errorf("%v", err)
	}
}

// Files whose owner the new container lacks stay whose they are.
func TestMoveLosesNoOwner(t *testing.T) {
	nstest.NeedIDs(t)
	d := testDirs(t)
	s := volumeStore(d)
	must(t, s.Create(volume.Volume{Name: "v", Owners: volume.Owners{UIDs: sliceMaps(), GIDs: sliceMaps()}}))
	must(t, os.WriteFile(s.Data("v")+"/f", nil, 0o600))
	must(t, os.Chown(s.Data("v")+"/f", hostOf(sliceMaps(), 2500), hostOf(sliceMaps(), 5)))
	r := idRun(d)
	r.uids = idmap.Map{{Container: 0, Host: 9000, Count: 1000}}
	r.gids = r.uids
	before, err := s.Get("v")
	must(t, err)
	err = r.holdVolume(t.Context(), "v")
	if err == nil || !strings.Contains(err.Error(), "belongs to UID 2500") || hint.Of(err) != "--userns=auto:size=2501" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	after, err := s.Get("v")
	must(t, err)
	if !after.Owners.Equal(before.Owners) || after.Moving != nil {
		t.Errorf("%+v", after)
	}
	must(t, os.Remove(s.Data("v")+"/f"))
	must(t, r.holdVolume(t.Context(), "v"))
	r.cleanUp()
}

// What an interrupted move knows of owners is not forgotten by who finishes it.
func TestFinishedMoveKeepsOwners(t *testing.T) {
	nstest.NeedIDs(t)
	d := testDirs(t)
	s := volumeStore(d)
	more := append(slices.Clone(movedMaps()), idmap.Extent{Container: 7000, Host: 6600, Count: 1})
	must(t, s.Create(volume.Volume{
		Name: "v", Owners: volume.Owners{UIDs: sliceMaps(), GIDs: sliceMaps()}, Moving: &volume.Owners{UIDs: more, GIDs: more},
	}))
	r := idRun(d)
	r.uids, r.gids = movedMaps(), movedMaps()
	must(t, r.holdVolume(t.Context(), "v"))
	r.cleanUp()
	v, err := s.Get("v")
	if id, ok := v.Owners.UIDs.Host(7000); err != nil || !ok || id != 6600 || v.Moving != nil {
		t.Errorf("%+v %v", v, err)
	}
}

// A volume of one container alone is dropped without a look at the others.
func TestDropShared(t *testing.T) {
	d := testDirs(t)
	s := volumeStore(d)
	must(t, s.Create(volume.Volume{Name: "v", Container: "x", Remove: true}))
	rec := record(t, d, func(r *Record) { r.Spec.Mounts = []spec.Mount{volumeAt("/x")} })
	other := record(t, d, nil)
	r := idRun(d)
	r.spec.VolumesFrom = []spec.VolumesFrom{{Container: rec.ID}}
	must(t, r.findVolumes(t.Context()))
	must(t, saveJSON(other.dir, detailsFile, details{Spec: r.spec}))
	must(t, dropTemporary(d, rec))
	if _, err := s.Get("v"); err != nil {
		t.Errorf("another container has it: %v", err)
	}
	must(t, os.RemoveAll(other.dir))
	must(t, dropTemporary(d, rec))
	if _, err := s.Get("v"); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
