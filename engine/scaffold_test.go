package engine

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestGeneratedFiles(t *testing.T) {
	r := mountRun(t)
	r.image.name = "img\n\"x"
	r.uids = idmap.Map{{Container: 0, Host: 12, Count: 1}}
	_, err := r.mounts(t.Context())
	must(t, err)
	for name, want := range map[string]string{
		"hostname":     "h\n",
		"containerenv": "engine=\"burrow\"\nname=\"web\"\nid=\"" + r.id + "\"\nimage=\"img\\n\\\"x\"\nrootless=1\n",
		"resolv.conf":  "",
	} {
		path := r.scaffold.path("files", name)
		if got := readFile(t, path); got != want {
			t.Errorf("%s: %q", name, got)
		}
		var st unix.Stat_t
		must(t, unix.Stat(path, &st))
		if st.Uid != 12 || st.Mode&0o777 != 0o644 {
			t.Errorf("%s is %d's, mode %o", name, st.Uid, st.Mode)
		}
	}
	contains(t, readFile(t, r.scaffold.path("files/hosts")), "127.0.0.1", "h web")
}

func TestInitMount(t *testing.T) {
	r := mountRun(t)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/init", nil, 0o755))
	must(t, os.WriteFile(dir+"/data", nil, 0o644))
	r.spec.Process.InitPath = dir + "/init"
	m, err := r.initMount()
	if err != nil || mountLine(m) != "/run/burrow-init bind bind,ro,nosuid,nodev from "+dir+"/init" {
		t.Errorf("%s %v", mountLine(m), err)
	}
	for _, bad := range []string{dir + "/nosuch", dir + "/data", dir} {
		r.spec.Process.InitPath = bad
		if _, err := r.initMount(); err == nil {
			t.Errorf("%s is taken for a program", bad)
		}
	}
	r.spec.Process.InitPath = ""
	if _, err := r.initMount(); err != nil && hint.Of(err) == "" {
		t.Errorf("%v without advice", err)
	}
}

func TestScaffold(t *testing.T) {
	s, err := newScaffold([]string{"/boot/x", "/bootx", "/media"}, "")
	must(t, err)
	t.Cleanup(func() { _ = sys.UnmountDetach(s.dir) })
	if s.dir == "/boot" || s.dir == "/media" {
		t.Errorf("it hides a source: %s", s.dir)
	}
	for name, mode := range map[string]os.FileMode{".": 0o711, "root": 0o711, "files": 0o711, "net": 0o700} {
		info, err := os.Stat(s.path(name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := newScaffold(scaffoldDirs, ""); !errors.Is(err, errNoScaffold) {
		t.Errorf("%v", err)
	}
	if _, err := s.file("nosuch/x", nil, 0, 0); err == nil {
		t.Error("no error")
	}
}
