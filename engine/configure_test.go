package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

func TestEnvironment(t *testing.T) {
	const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	base := func(more ...string) []string {
		return append([]string{path, "container=burrow", "HOSTNAME=h"}, more...)
	}
	for name, c := range map[string]struct {
		image  []string
		env    spec.Env
		change func(r *run)
		want   []string
	}{
		"nothing asked for":       {want: base("HOME=/home")},
		"image wins over ours":    {image: []string{"PATH=/x", "A=1", "HOSTNAME=i"}, want: []string{"PATH=/x", "container=burrow", "HOSTNAME=i", "A=1", "HOME=/home"}},
		"command line wins":       {image: []string{"A=1", "B=2"}, env: spec.Env{Set: []string{"A=3", "HOME=/h"}}, want: base("A=3", "B=2", "HOME=/h")},
		"last wins":               {env: spec.Env{Set: []string{"A=1", "A=2"}}, want: base("A=2", "HOME=/home")},
		"unset":                   {image: []string{"A=1", "B=2"}, env: spec.Env{Unset: []string{"A", "container"}}, want: []string{path, "HOSTNAME=h", "B=2", "HOME=/home"}},
		"unset all, set one":      {image: []string{"A=1"}, env: spec.Env{UnsetAll: true, Set: []string{"C=3"}}, want: []string{"C=3", "HOME=/home"}},
		"host is weaker than set": {env: spec.Env{Host: []string{"A=h", "B=h"}, Set: []string{"A=s"}}, want: base("A=s", "B=h", "HOME=/home")},
		"merge":                   {image: []string{"A=1"}, env: spec.Env{Merge: []string{"A=${A}:2"}}, want: base("A=1:2", "HOME=/home")},
		"terminal":                {change: func(r *run) { r.spec.Stdio.TTY, r.opts.Term = true, "vt100" }, want: []string{path, "TERM=vt100", "container=burrow", "HOSTNAME=h", "HOME=/home"}},
		"unknown terminal":        {change: func(r *run) { r.spec.Stdio.TTY = true }, want: []string{path, "TERM=xterm", "container=burrow", "HOSTNAME=h", "HOME=/home"}},
		"no terminal, no TERM":    {change: func(r *run) { r.opts.Term = "vt100" }, want: base("HOME=/home")},
		"time zone":               {image: []string{"TZ=i"}, change: func(r *run) { r.spec.Process.Timezone = "UTC" }, want: base("TZ=UTC", "HOME=/home")},
		"local time":              {change: func(r *run) { r.spec.Process.Timezone = "local" }, want: base("HOME=/home")},
	} {
		r := &run{hostname: "h", who: identity{home: "/home"}, image: image{cfg: plan.Config{Env: c.image}}}
		r.spec.Process.Env = c.env
		if c.change != nil {
			c.change(r)
		}
		if got := r.environment(); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestCommand(t *testing.T) {
	cfg := plan.Config{Entrypoint: []string{"e"}, Cmd: []string{"c"}}
	none := []string{}
	for name, c := range map[string]struct {
		cfg        plan.Config
		entrypoint *[]string
		args       []string
		want       string
	}{
		"image's":               {cfg, nil, nil, "e c"},
		"arguments":             {cfg, nil, []string{"a", "b"}, "e a b"},
		"entrypoint":            {cfg, &[]string{"x"}, nil, "x"}, // the image's command belongs to its entrypoint
		"both":                  {cfg, &[]string{"x"}, []string{"a"}, "x a"},
		"no entrypoint":         {cfg, &none, []string{"a"}, "a"},
		"command only":          {plan.Config{Cmd: []string{"c"}}, nil, nil, "c"},
		"nothing":               {plan.Config{}, nil, nil, ""},
		"entrypoint taken away": {cfg, &none, nil, ""},
	} {
		r := &run{image: image{cfg: c.cfg}, spec: spec.Spec{Entrypoint: c.entrypoint, Args: c.args, Image: "i"}}
		got, err := r.command()
		if strings.Join(got, " ") != c.want || (c.want == "") != (err != nil) {
			t.Errorf("%s: %q %v", name, got, err)
		}
		if err != nil && hint.Of(err) != "burrow run i COMMAND" {
			t.Errorf("%s: hint %q", name, hint.Of(err))
		}
	}
	// What the image says is not ours to change.
	if _, err := (&run{image: image{cfg: cfg}, spec: spec.Spec{Args: []string{"a"}}}).command(); err != nil || cfg.Entrypoint[0] != "e" || len(cfg.Entrypoint) != 1 {
		t.Error(cfg, err)
	}
}

func TestCheckArgs(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	if err := checkArgs([]string{"a", ""}, []string{"K=\xff\n", long}); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{"a\x00"}, {"", "\x00"}, {long + "\x00"}} {
		err := checkArgs(nil, bad)
		if err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %.300v", bad, err)
		}
	}
}

func TestWorkdir(t *testing.T) {
	for _, c := range []struct{ image, flag, want string }{
		{"", "", "/"}, {"/a", "", "/a"}, {"/a", "/b", "/b"}, {"a/../b", "", "/b"}, {"/../..", "", "/"}, {"/a//b/.", "", "/a/b"},
	} {
		r := &run{image: image{cfg: plan.Config{WorkingDir: c.image}}}
		r.spec.Process.Workdir = c.flag
		if got := r.workdir(); got != c.want {
			t.Errorf("%q %q: %q", c.image, c.flag, got)
		}
	}
}

func TestImageRootIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		cfg   plan.Config
		flag  spec.ImageVolumes
		want  string // "": accepted
	}{
		"empty":                 {},
		"ordinary":              {files: map[string]string{"dev/null": "", "proc/x": "", "sys/x": "", "w/x": ""}, cfg: plan.Config{WorkingDir: "/w"}},
		"dev is a link":         {files: map[string]string{"dev": "-> /tmp"}, want: "/dev is not an ordinary directory"},
		"proc climbs":           {files: map[string]string{"proc": "-> ../../../proc"}, want: "/proc is not"},
		"sys is a file":         {files: map[string]string{"sys": ""}, want: "/sys is not"},
		"descriptor as workdir": {cfg: plan.Config{WorkingDir: "/proc/self/fd/7"}, want: "process's directory"},
		"other process":         {cfg: plan.Config{WorkingDir: "/proc/1/cwd/../x"}, want: "process's directory"},
		"long workdir":          {cfg: plan.Config{WorkingDir: "/" + strings.Repeat("x", 5000)}, want: "4095"},
		"workdir is a file":     {files: map[string]string{"w": ""}, cfg: plan.Config{WorkingDir: "/w"}, want: "not a directory"},
		"workdir in a file":     {files: map[string]string{"w": ""}, cfg: plan.Config{WorkingDir: "/w/x"}, want: "not a directory"},
		"workdir loops":         {files: map[string]string{"w": "-> w"}, cfg: plan.Config{WorkingDir: "/w"}, want: "symbolic links"},
		"workdir is made":       {cfg: plan.Config{WorkingDir: "/new/dir"}},
		"workdir is a link":     {files: map[string]string{"w": "-> d", "d/x": ""}, cfg: plan.Config{WorkingDir: "/w"}},
		"volume on proc":        {cfg: plan.Config{Volumes: []string{"/proc"}}, want: "cannot be a mount"},
		"volume in proc":        {cfg: plan.Config{Volumes: []string{"/x/../proc/self"}}, want: "cannot be a mount"},
		"volume on /":           {cfg: plan.Config{Volumes: []string{"/x/.."}}, want: "cannot be a mount"},
		"volume of systemd":     {cfg: plan.Config{Volumes: []string{"/sys/fs/cgroup", "/dev/shm", "/data"}}},
		"volumes ignored":       {cfg: plan.Config{Volumes: []string{"/proc", "/"}}, flag: spec.ImageVolumesIgnore},
	} {
		r := accountRun(t, c.files)
		r.image.cfg, r.spec.Root.ImageVolumes = c.cfg, c.flag
		err := r.checkRoot()
		if c.want == "" && err != nil || c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	r := &run{scaffold: scaffold{dir: "/nosuch"}}
	if err := r.checkRoot(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestMetadata(t *testing.T) {
	r := &run{image: image{cfg: plan.Config{
		User: "iu", WorkingDir: "/i", StopSignal: "SIGUSR1", Labels: map[string]string{"a": "i", "b": "i"},
		Healthcheck: &plan.Healthcheck{Test: []string{"CMD", "x"}, Retries: 3, Interval: 5e9},
	}}}
	if got := r.metadata(); asJSON(t, got) != asJSON(t, Metadata{
		User: "iu", WorkingDir: "/i", StopSignal: "SIGUSR1", Labels: r.image.cfg.Labels, Healthcheck: r.image.cfg.Healthcheck,
	}) {
		t.Errorf("%+v", got)
	}
	r.spec = spec.Spec{
		Labels: map[string]string{"b": "s", "c": "s"}, Annotations: map[string]string{"x": "y"}, Stop: spec.Stop{Signal: 34},
		Healthcheck: &spec.Healthcheck{Timeout: 7, Retries: 9}, Process: spec.Process{User: "su", Workdir: "/s"},
	}
	if got := r.metadata(); asJSON(t, got) != asJSON(t, Metadata{
		User: "su", WorkingDir: "/s", StopSignal: "SIGRTMIN", Labels: map[string]string{"a": "i", "b": "s", "c": "s"},
		Annotations: r.spec.Annotations, Healthcheck: &plan.Healthcheck{Test: []string{"CMD", "x"}, Retries: 9, Interval: 5e9, Timeout: 7},
	}) {
		t.Errorf("%s", asJSON(t, got))
	}
	if r.image.cfg.Labels["c"] != "" || r.image.cfg.Healthcheck.Retries != 3 {
		t.Error("the image was changed")
	}
	if h := healthcheck(nil, &spec.Healthcheck{Disable: true}); !slices.Equal(h.Test, []string{"NONE"}) {
		t.Errorf("%+v", h)
	}
	for sig, want := range map[int]string{0: "", 9: "SIGKILL", 34: "SIGRTMIN", 37: "SIGRTMIN+3"} {
		if got := signalName(syscall.Signal(sig)); got != want {
			t.Errorf("%d: %q", sig, got)
		}
	}
}

func TestNamespaces(t *testing.T) {
	d := testDirs(t)
	self := someone(t)
	rec := record(t, d, func(r *Record) { r.PID, r.Start, r.Owner, r.Hostname = self.PID, self.Start, self, "theirs" })
	stopped := record(t, d, nil)
	n := func(m spec.NamespaceMode, ref string) spec.Namespace { return spec.Namespace{Mode: m, Ref: ref} }
	r := &run{opts: Options{Dirs: d}, network: &network{path: "/netns"}, id: strings.Repeat("a", 64)}
	defer r.cleanUp()
	r.spec.Namespaces = spec.Namespaces{
		PID: n(spec.NamespaceContainer, rec.Name), IPC: n(spec.NamespaceHost, ""), UTS: n(spec.NamespacePath, "/uts"), Cgroup: n(spec.NamespacePrivate, ""),
	}
	got, err := r.namespaces()
	must(t, err)
	if !got.IPC.Host || got.UTS.Path != "/uts" || got.Cgroup.Host || got.Cgroup.Path != "" || got.Net.Path != "/netns" || got.User.Host || !got.Time.Host {
		t.Errorf("%+v", got)
	}
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", self.PID))
	must(t, err)
	if ns, err := os.Readlink(got.PID.Path); err != nil || ns != want {
		t.Errorf("pid namespace %q: %q %v", got.PID.Path, ns, err)
	}
	r.mode.Kind = idmap.Host
	r.network.ownedByContainer = true
	if got, err = r.namespaces(); err != nil || !got.User.Host || got.Net.Host || got.Net.Path != "" {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []spec.Namespaces{
		{PID: n(spec.NamespaceContainer, stopped.Name)},
		{IPC: n(spec.NamespaceContainer, "nosuch")},
		{UTS: n(spec.NamespaceContainer, "nosuch")},
		{Cgroup: n(spec.NamespaceContainer, stopped.Name)},
	} {
		r.spec.Namespaces = bad
		if _, err := r.namespaces(); err == nil {
			t.Errorf("%+v passed", bad)
		}
	}
	for name, c := range map[string]struct {
		hostname string
		uts      spec.Namespace
		want     string
	}{
		"own":       {"", n("", ""), "aaaaaaaaaaaa"},
		"asked for": {"h", n("", ""), "h"},
		"container": {"", n(spec.NamespaceContainer, rec.Name), "theirs"},
	} {
		r.spec.Process.Hostname, r.spec.Namespaces.UTS = c.hostname, c.uts
		if got, err := r.findHostname(); got != c.want || err != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	r.spec.Process.Hostname, r.spec.Namespaces.UTS = "", n(spec.NamespaceHost, "")
	host, _ := os.Hostname()
	if got, err := r.findHostname(); got != host || err != nil {
		t.Errorf("%q %v", got, err)
	}
}
