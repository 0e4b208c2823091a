package engine

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestMountsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/", dir+"/slash"))
	must(t, os.Symlink("slash", dir+"/again"))
	must(t, os.Symlink("loop", dir+"/loop"))
	bind := func(src string) func(*run) {
		return func(r *run) { r.spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: src, Dest: "/a"}} }
	}
	for name, c := range map[string]struct {
		change     func(r *run)
		want, hint string
	}{
		"no source":         {bind(dir + "/nosuch"), "does not exist", "mkdir -p " + dir + "/nosuch"},
		"link to /":         {bind(dir + "/slash"), "is a link to /", "-v /:DESTINATION"},
		"link to link to /": {bind(dir + "/again"), "is a link to /", "-v /:DESTINATION"},
		"loop":              {bind(dir + "/loop"), "too many links", ""},
		"unknown type":      {func(r *run) { r.spec.Mounts = []spec.Mount{{Type: "x", Dest: "/a"}} }, "bug: mount type", ""},
		"unknown time zone": {func(r *run) { r.spec.Process.Timezone = "Mars/Base" }, "not known", "timedatectl"},
		"no device":         {func(r *run) { r.spec.Devices = []spec.Device{{Host: "/dev/nosuch", Container: "/x"}} }, "does not exist", "ls -l"},
		"not a device":      {func(r *run) { r.spec.Devices = []spec.Device{{Host: "/etc/passwd", Container: "/x"}} }, "not a device node", ""},
		"volume of the image": {func(r *run) {
			r.image.cfg.Volumes, r.spec.Root.ImageVolumes = []string{"/proc"}, spec.ImageVolumesTmpfs
		}, "cannot be a mount", "--image-volume"},
	} {
		r := mountRun(t)
		c.change(r)
		_, err := r.mounts(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
		}
	}
	r := mountRun(t)
	bind("/")(r)
	if _, err := r.mounts(t.Context()); err != nil {
		t.Errorf("/ itself: %v", err)
	}
}

func TestOverlayVolumesAndChown(t *testing.T) {
	r := mountRun(t)
	r.uids = idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 8, Host: 0, Count: 1}}
	r.gids = r.uids
	src := t.TempDir()
	must(t, os.WriteFile(src+"/f", []byte("x"), 0o644))
	m, err := r.bindMount(spec.Mount{Type: spec.MountBind, Source: src, Dest: "/a", Overlay: true, Chown: true}, 3)
	must(t, err)
	t.Cleanup(func() { _ = sys.UnmountDetach(m.Source) })
	if m.Source == src || readFile(t, m.Source+"/f") != "x" {
		t.Errorf("%+v", m)
	}
	must(t, os.WriteFile(m.Source+"/f", []byte("y"), 0o644))
	must(t, os.WriteFile(m.Source+"/g", nil, 0o644))
	if readFile(t, src+"/f") != "x" || exists(src+"/g") {
		t.Error("the source was written to")
	}
}

func TestPropagation(t *testing.T) {
	for p, want := range map[spec.Propagation]uintptr{
		spec.Private: 1 << 18, spec.RPrivate: 1<<18 | 1<<14, spec.Shared: 1 << 20, spec.RShared: 1<<20 | 1<<14,
		spec.Slave: 1 << 19, spec.RSlave: 1<<19 | 1<<14, spec.Unbindable: 1 << 17, spec.RUnbindable: 1<<17 | 1<<14,
	} {
		if got := propagation(p); !reflect.DeepEqual(got, []uintptr{want}) {
			t.Errorf("%s: %#x", p, got)
		}
		hears := strings.Contains(string(p), "slave") || strings.Contains(string(p), "shared")
		if wantsPropagation([]spec.Mount{{Propagation: spec.Private}, {Propagation: p}}) != hears {
			t.Errorf("%s: hears of mounts: %v", p, !hears)
		}
	}
	if propagation("ro,suid") != nil {
		t.Error("smuggled an option")
	}
}

func TestSourcesAreResolved(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/media", dir+"/link"))
	r := &run{opts: Options{Cwd: "/tmp"}, layers: []string{"/layer"}}
	r.spec = spec.Spec{
		PIDFile: dir + "/link/pid", Rootfs: &spec.Rootfs{Dir: "/rootfs"},
		Mounts: []spec.Mount{{Type: spec.MountBind, Source: dir + "/link"}, {Type: spec.MountTmpfs, Dest: "/x"}},
	}
	got := r.sources()
	for _, want := range []string{"/media", "/rootfs", "/layer"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %q", want, got)
		}
	}
	if slices.Contains(got, filepath.Join(dir, "link")) {
		t.Error("a link stays a link")
	}
}
