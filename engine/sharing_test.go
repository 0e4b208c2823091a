package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/slirp"
)

// What a container shares, and with whom, seen from inside.
func TestSharedNamespaces(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("echo x >/dev/shm/f; read x")
	s.Name, s.Stdio.Interactive, s.Process.Hostname, s.Security.Sysctls = "main", true, "mainhost", []string{"net.ipv4.ip_default_ttl=77"}
	child, _ := supervising(t, d, created(t, d, s))
	with := func(m spec.NamespaceMode) spec.Namespace {
		ns := spec.Namespace{Mode: m}
		if m == spec.NamespaceContainer {
			ns.Ref = "main"
		}
		return ns
	}
	container, host := with(spec.NamespaceContainer), with(spec.NamespaceHost)
	ttl := "cat /proc/sys/net/ipv4/ip_default_ttl"
	for name, c := range map[string]struct {
		script string
		change func(s *spec.Spec)
		out    string
		want   string // of the error
	}{
		"own processes": {"cat /proc/1/comm; true", func(*spec.Spec) {}, "^sh\n$", ""},
		"its processes": {"test $$ != 1 && cat /proc/1/comm; true", func(s *spec.Spec) { s.Namespaces.PID = container }, "^sh\n$", ""},
		"its IDs":       {"cat /proc/self/uid_map | tail -n +2; stat -c %u:%g /etc/passwd", func(s *spec.Spec) { s.Namespaces.Userns = "container:main" }, "0:0\n$", ""},
		"its name":      {"hostname; echo $HOSTNAME", func(s *spec.Spec) { s.Namespaces.UTS = container }, "^mainhost\nmainhost\n$", ""},
		"its queues":    {"test -d /dev/mqueue && echo ok", func(s *spec.Spec) { s.Namespaces.IPC = container }, "^ok\n$", ""},
		"its cgroups":   {"echo ok", func(s *spec.Spec) { s.Namespaces.Cgroup = container }, "^ok\n$", ""},
		"its network":   {ttl, func(s *spec.Spec) { s.Network.Mode = "container:main" }, "^77\n$", ""},
		"own network":   {ttl, func(s *spec.Spec) { s.Security.Sysctls = []string{"net.ipv4.ip_default_ttl=55"} }, "^55\n$", ""},
		"network of its own": {"ip link add dummy0 type dummy && ls /sys/class/net; " + ttl, func(s *spec.Spec) {
			s.Security.CapAdd, s.Security.Sysctls = []string{"NET_ADMIN"}, []string{"net.ipv4.ip_default_ttl=44"}
		}, "^(dummy0\nlo\n)?44\n$", ""},
		"nothing is its":   {"ip link add dummy0 type dummy 2>&1", func(*spec.Spec) {}, "(?i)not permitted", ""},
		"host's processes": {"ls /proc | grep -c '^[0-9]'", func(s *spec.Spec) { s.Namespaces.PID = host }, "^[0-9]{2,}\n$", ""},
		"host's name":      {"hostname", func(s *spec.Spec) { s.Namespaces.UTS = host }, ".", ""},
		"host's queues":    {"ls -d /dev/shm", func(s *spec.Spec) { s.Namespaces.IPC = host }, "^/dev/shm\n$", ""},
		"host's IDs":       {"stat -c %u:%g /etc/passwd", func(s *spec.Spec) { s.Namespaces.Userns = "host" }, "^0:0\n$", ""},
		"its sysctl": {"", func(s *spec.Spec) {
			s.Network.Mode, s.Security.Sysctls = "container:main", []string{"net.ipv4.ip_forward=1"}
		}, "", "another container's"},
		"its IPC sysctl": {"", func(s *spec.Spec) { s.Namespaces.IPC, s.Security.Sysctls = container, []string{"kernel.shmmax=1"} }, "", "another container's"},
		"own IPC sysctl": {"cat /proc/sys/kernel/shmmax", func(s *spec.Spec) { s.Security.Sysctls = []string{"kernel.shmmax=123456"} }, "^123456\n$", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(c.script)
			c.change(&s)
			res := do(t, job{Verb: "run", Spec: s, Dirs: d})
			if c.want != "" {
				contains(t, res.Error, c.want)
				return
			}
			if res.Error != "" || !regexp.MustCompile(c.out).MatchString(res.stdout) {
				t.Errorf("%s code %d %q %q", res.Error, res.Exit.Code(), res.stdout, res.stderr)
			}
		})
	}
	if _, err := Remove(t.Context(), d, "main", true); err != nil {
		t.Error(err)
	}
	child.wait(t)
	nothingLeft(t, d)
}

// Without a pid namespace of its own, a container's processes end with it too.
// (Where the tests may make cgroups, as root does, that alone would see to it.)
func TestStragglersAreEnded(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("echo up; read x")
	s.Name, s.Stdio.Interactive = "main", true
	child, main := supervising(t, d, created(t, d, s))
	for _, ns := range []spec.Namespace{{Mode: spec.NamespaceHost}, {Mode: spec.NamespaceContainer, Ref: "main"}} {
		s := shell("busybox sleep 12345 & busybox setsid busybox sleep 12345 & sleep 0.1; exit 3")
		s.Namespaces.PID = ns
		if res := do(t, job{Verb: "run", Spec: s, Dirs: d}); res.Exit.Code() != 3 {
			t.Errorf("%+v", res)
		}
		out, _ := exec.Command("pgrep", "-fx", "busybox sleep 12345").Output()
		if len(out) > 0 {
			t.Errorf("%s: left %s", ns.Mode, strings.Fields(string(out)))
		}
	}
	if !main.Running() {
		t.Error("the other container was ended too")
	}
	if _, err := Remove(t.Context(), d, "main", true); err != nil {
		t.Error(err)
	}
	child.wait(t)
}

// Signals reach the payload; a terminal that is ours without a supervisor works.
func TestForegroundTerminalAndSignals(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
	if res := do(t, job{Verb: "run", Spec: s, Dirs: d, Signal: syscall.SIGTERM}); res.Exit.Code() != 9 {
		t.Errorf("%+v %s", res, res.stderr)
	}
	s = shell("echo ready; sleep 0.3; exit 4")
	s.Stdio.SigProxy = false
	if res := do(t, job{Verb: "run", Spec: s, Dirs: d, Signal: syscall.SIGTERM}); res.Exit.Code() != 4 {
		t.Errorf("%+v %s", res, res.stderr)
	}
	in, typing, err := os.Pipe()
	must(t, err)
	_, err = typing.WriteString("typed\n")
	must(t, err)
	typing.Close()
	s = shell("tty; read x; echo got $x; cat; echo end")
	s.Stdio.TTY, s.Stdio.Interactive = true, true
	res := start(t, job{Verb: "run", Spec: s, Dirs: d}, in).wait(t)
	in.Close()
	if res.Error != "" || !strings.Contains(res.stdout, "/dev/pts/0\r\n") || !strings.Contains(res.stdout, "got typed\r\n") || !strings.HasSuffix(res.stdout, "end\r\n") {
		t.Errorf("%s %q", res.Error, res.stdout)
	}
	nothingLeft(t, d)
}

func TestPullPolicy(t *testing.T) {
	const id = "1111111111111111111111111111111111111111111111111111111111111111"
	broken := errors.New("registry is down")
	for name, c := range map[string]struct {
		policy  spec.PullPolicy
		have    bool
		arch    string
		pull    error
		pulls   int
		wantErr error
		hint    string
	}{
		"there":              {spec.PullMissing, true, "", nil, 0, nil, ""},
		"missing":            {spec.PullMissing, false, "", nil, 1, nil, ""},
		"always":             {spec.PullAlways, true, "", nil, 1, nil, ""},
		"newer":              {spec.PullNewer, true, "", nil, 1, nil, ""},
		"never, there":       {spec.PullNever, true, "", nil, 0, nil, ""},
		"never, missing":     {spec.PullNever, false, "", nil, 0, plan.ErrNotFound, "burrow pull img"},
		"fails":              {spec.PullMissing, false, "", broken, 1, broken, ""},
		"always, fails":      {spec.PullAlways, true, "", broken, 1, broken, ""},
		"same platform":      {spec.PullMissing, true, "x86_64", nil, 0, nil, ""},
		"other platform":     {spec.PullMissing, true, "arm64", nil, 1, plan.ErrNotFound, ""},
		"never, other":       {spec.PullNever, true, "arm64", nil, 0, plan.ErrNotFound, "burrow pull img"},
		"unknown, same name": {spec.PullNever, true, "amd64", nil, 0, nil, ""},
	} {
		d := testDirs(t)
		store := func() error {
			return plan.Write(d, &plan.Plan{Version: plan.Version, ID: id, Names: []string{"localhost/img:latest"}, OS: "linux", Arch: "amd64"})
		}
		if c.have {
			must(t, store())
		}
		pulls := 0
		r := &run{spec: spec.Default(), opts: Options{Dirs: d, Pull: func(_ context.Context, image string, _ spec.Pull) error {
			if pulls++; image != "img" {
				t.Errorf("%s: pulls %q", name, image)
			}
			return errors.Join(c.pull, store())
		}}}
		r.spec.Image, r.spec.Pull.Policy, r.spec.Pull.Platform.Arch = "img", c.policy, c.arch
		err := r.findImage(t.Context())
		if !errors.Is(err, c.wantErr) || hint.Of(err) != c.hint || pulls != c.pulls {
			t.Errorf("%s: %v, hint %q, %d pulls", name, err, hint.Of(err), pulls)
		}
		if err == nil && (r.image.name != "localhost/img:latest" || r.imageID() != id) {
			t.Errorf("%s: %+v", name, r.image)
		}
	}
	r := &run{spec: spec.Spec{Image: "img"}, opts: Options{Dirs: testDirs(t)}}
	if err := r.findImage(t.Context()); !errors.Is(err, plan.ErrNotFound) {
		t.Errorf("nobody to pull: %v", err)
	}
	r = &run{spec: spec.Spec{Host: true}, opts: Options{Cwd: "/w"}}
	if err := r.findImage(t.Context()); err != nil || r.image.cfg.WorkingDir != "/w" || r.imageID() != "" {
		t.Errorf("%+v %v", r.image, err)
	}
}

func TestNetworkMode(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *run)
		kind   slirp.Kind
		ports  int
		warns  bool
		fails  bool
	}{
		"default":    {func(*run) {}, slirp.Slirp4netns, 0, false, false},
		"configured": {func(r *run) { r.opts.DefaultNetwork = "none" }, slirp.None, 0, false, false},
		"asked for":  {func(r *run) { r.spec.Network.Mode, r.opts.DefaultNetwork = "pasta", "none" }, slirp.Pasta, 0, false, false},
		"wrong":      {func(r *run) { r.spec.Network.Mode = "nosuch" }, "", 0, false, true},
		"ports":      {func(r *run) { r.spec.Network.Publish = []string{"8080:80", "81"} }, slirp.Slirp4netns, 2, false, false},
		"wrong port": {func(r *run) { r.spec.Network.Publish = []string{"x"} }, "", 0, false, true},
		"all": {func(r *run) {
			r.spec.Network.PublishAll, r.image.cfg.ExposedPorts, r.spec.Network.Expose = true, []string{"80/tcp"}, []string{"90"}
		}, slirp.Slirp4netns, 2, false, false},
		"all, wrong":      {func(r *run) { r.spec.Network.PublishAll, r.spec.Network.Expose = true, []string{"x"} }, "", 0, false, true},
		"host, ignored":   {func(r *run) { r.spec.Network.Mode, r.spec.Network.Publish = "host", []string{"81"} }, slirp.Host, 0, false, false},
		"host by default": {func(r *run) { r.opts.DefaultNetwork, r.spec.Network.Publish = "host", []string{"81"} }, slirp.Host, 0, true, false},
	} {
		warned := false
		r := &run{opts: Options{Warn: func(string) { warned = true }}}
		c.change(r)
		mode, err := r.networkMode()
		if c.fails != (err != nil) || mode.Kind != c.kind || warned != c.warns || err == nil && len(r.network.ports) != c.ports {
			t.Errorf("%s: %+v %v, warned %v", name, mode, err, warned)
		}
	}
	all := map[string]string{"net.a": "1", "kernel.b": "2"}
	if got := fmt.Sprint(netSysctls(all), ownSysctls(all)); got != "map[net.a:1] map[kernel.b:2]" {
		t.Errorf("%s", got)
	}
}
