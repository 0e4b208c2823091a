package engine

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/probe"
)

func TestRun(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	for name, c := range map[string]struct {
		script string
		change func(s *spec.Spec)
		code   int
		out    string // a regular expression
	}{
		"exit code":        {"exit 7", nil, 7, "^$"},
		"killed":           {"kill -9 $$", nil, 0, ""}, // init of a pid namespace cannot kill itself
		"output":           {"echo out; echo err >&2", nil, 0, "^out\n$"},
		"environment":      {"", func(s *spec.Spec) { s.Args, s.Process.Env.Set = []string{"busybox", "env"}, []string{"A=\xffb\nc"} }, 0, `^PATH=/bin\ncontainer=burrow\nHOSTNAME=[0-9a-f]{12}\nA=.b\nc\nHOME=/root\n$`},
		"user":             {"id", func(s *spec.Spec) { s.Process.User = "web" }, 0, `^uid=33\(web\) gid=33\(www\) groups=4\(adm\),33\(www\),50\(many\)\n$`},
		"work":             {"pwd", func(s *spec.Spec) { s.Process.Workdir = "/made/here" }, 0, "^/made/here\n$"},
		"umask":            {"umask", func(s *spec.Spec) { s.Process.Umask = 0o27 }, 0, "^0027\n$"},
		"read-only":        {"touch /x; touch /tmp/x && echo ok", func(s *spec.Spec) { s.Root.ReadOnly = true }, 0, "^ok\n$"},
		"nothing inherits": {"grep -E 'Cap(Inh|Amb)|NoNew|Seccomp:' /proc/self/status; ls /proc/1/fd; true", nil, 0, "^CapInh:\t0+\nCapAmb:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n0\n1\n2\n$"},
		"time is up":       {"sleep 100", func(s *spec.Spec) { s.Timeout = 300 * time.Millisecond }, 137, "^$"},
		"own hostname":     {"hostname; cat /etc/hostname", func(s *spec.Spec) { s.Process.Hostname = "myhost" }, 0, "^myhost\nmyhost\n$"},
		"tmpfs": {"stat -c %a /t; df -k /t | tail -1", func(s *spec.Spec) {
			m := uint32(0o711)
			s.Mounts = []spec.Mount{{Type: spec.MountTmpfs, Dest: "/t", Size: "1048576", Mode: &m}}
		}, 0, "^711\ntmpfs +1024 "},
		"moved group": {"stat -c %u:%g /etc/passwd", func(s *spec.Spec) { s.Namespaces.Userns, s.Process.User = "keep-id:uid=0,gid=7", "0" }, 0, "^0:0\n$"},
		"moved root":  {"stat -c %u:%g /etc/passwd /; cat /proc/self/uid_map | wc -l", func(s *spec.Spec) { s.Namespaces.Userns = "auto" }, 0, "^0:0\n0:0\n2\n$"},
		"network":     {"ls /sys/class/net; cat /proc/net/dev | wc -l", nil, 0, "^lo\n3\n$"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell(c.script)
			if c.change != nil {
				c.change(&s)
			}
			res := do(t, job{Verb: "run", Spec: s, Dirs: d})
			if res.Error != "" || res.Exit.Code() != c.code || !regexp.MustCompile(c.out).MatchString(res.stdout) {
				t.Errorf("code %d, %s%s%s", res.Exit.Code(), res.Error, res.stdout, res.stderr)
			}
			if res.Exit.TimedOut != (name == "time is up") {
				t.Errorf("timed out: %v", res.Exit.TimedOut)
			}
			nothingLeft(t, d)
		})
	}
}

func TestRunFails(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/cid", nil, 0o600))
	for name, c := range map[string]struct {
		change func(s *spec.Spec)
		errno  syscall.Errno
		want   string
	}{
		"no such program": {func(s *spec.Spec) { s.Args = []string{"nosuch"} }, syscall.ENOENT, `exec "nosuch"`},
		"not a program":   {func(s *spec.Spec) { s.Args = []string{"data"} }, syscall.EACCES, "permission denied"},
		"no format":       {func(s *spec.Spec) { s.Args = []string{"/bin/odd"} }, syscall.ENOEXEC, "exec format error"},
		"too long":        {func(s *spec.Spec) { s.Args = []string{"sh", strings.Repeat("x", 200<<10)} }, syscall.E2BIG, "argument list too long"},
		"NUL":             {func(s *spec.Spec) { s.Args = []string{"sh", "\x00"} }, 0, "NUL"},
		"no such image":   {func(s *spec.Spec) { s.Image, s.Pull.Policy = "nosuch", spec.PullNever }, 0, "--pull=never"},
		"cannot pull":     {func(s *spec.Spec) { s.Image = "nosuch" }, 0, "no such image"},
		"other platform":  {func(s *spec.Spec) { s.Pull.Platform.Arch, s.Pull.Policy = "s390x", spec.PullNever }, 0, "stored is for linux/" + runtime.GOARCH},
		"wrong flag":      {func(s *spec.Spec) { s.Security.Options = []string{"nosuch=1"} }, 0, "nosuch"},
		"wrong user":      {func(s *spec.Spec) { s.Process.User = "nosuch" }, 0, "/etc/passwd"},
		"wrong mount":     {func(s *spec.Spec) { s.Mounts = []spec.Mount{{Type: spec.MountBind, Source: dir + "/no", Dest: "/a"}} }, 0, "does not exist"},
		"wrong network":   {func(s *spec.Spec) { s.Network.Mode = "container:nosuch" }, 0, "no such container"},
		"ID file exists":  {func(s *spec.Spec) { s.CIDFile = dir + "/cid" }, 0, "cid exists"},
		"ID file nowhere": {func(s *spec.Spec) { s.CIDFile = dir + "/no/cid" }, 0, "no such file"},
		"ID file goes":    {func(s *spec.Spec) { s.CIDFile, s.Args = dir+"/new", []string{"nosuch"} }, syscall.ENOENT, ""},
		"no command":      {func(s *spec.Spec) { s.Args = nil }, 0, "no command given"},
		"mount on a file": {func(s *spec.Spec) {
			s.Mounts = []spec.Mount{{Type: spec.MountBind, Source: dir, Dest: "/etc/passwd/x"}}
		}, 0, "not a directory"},
		"foreign sysctl":    {func(s *spec.Spec) { s.Security.Sysctls = []string{"kernel.panic=1"} }, 0, "not a namespaced setting"},
		"limit, no cgroup":  {func(s *spec.Spec) { s.Resources.NoCgroup, s.Resources.Memory = true, 1<<30 }, 0, "--memory"},
		"directory is none": {func(s *spec.Spec) { s.Image, s.Rootfs = "", &spec.Rootfs{Dir: dir + "/cid"} }, 0, "not a directory"},
		"no directory":      {func(s *spec.Spec) { s.Image, s.Rootfs = "", &spec.Rootfs{Dir: dir + "/no"} }, 0, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell("exit 3")
			c.change(&s)
			res := do(t, job{Verb: "run", Spec: s, Dirs: d})
			if !strings.Contains(res.Error, c.want) || res.Error == "" || res.Errno != c.errno || strings.Contains(res.Error, "\n") {
				t.Errorf("%s (errno %d, step %v), code %d %s", res.Error, res.Errno, res.Step, res.Exit.Code(), res.stderr)
			}
			nothingLeft(t, d)
			if name == "ID file goes" && exists(dir+"/new") {
				t.Error("the ID file stays")
			}
		})
	}
}

// A name is one container's; without --rm it stays until it is removed.
func TestRunKeeps(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, func(p *plan.Plan) { p.Config.Labels, p.Config.StopSignal = map[string]string{"a": "b"}, "SIGINT" })
	s := shell("echo x >/file; exit 4")
	s.Name, s.Remove, s.CIDFile = "kept", false, t.TempDir()+"/cid"
	res := do(t, job{Verb: "run", Spec: s, Dirs: d})
	rec, err := Lookup(d, "kept")
	if err != nil || rec.ID != res.Exit.ID || !rec.Exited || rec.ExitCode != 4 || rec.Running() || rec.Metadata.Labels["a"] != "b" {
		t.Errorf("%+v %v", rec, err)
	}
	if readFile(t, s.CIDFile) != rec.ID || readFile(t, rec.dir+"/upper/file") != "x\n" {
		t.Error("files are not what they should be")
	}
	if res := do(t, job{Verb: "run", Spec: s, Dirs: d}); !strings.Contains(res.Error, "in use") && !strings.Contains(res.Error, "exists") {
		t.Errorf("twice: %s", res.Error)
	}
	if _, err := Remove(t.Context(), d, "kept", false); err != nil {
		t.Error(err)
	}
	nothingLeft(t, d)
}

func TestRunIsKilled(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("echo ready; sleep 1000")
	s.Name = "victim"
	child := start(t, job{Verb: "run", Spec: s, Dirs: d}, nil)
	waitFor(t, "the payload", func() bool { return readFile(t, child.out[0].Name()) != "" })
	rec, err := Lookup(d, "victim")
	must(t, err)
	must(t, child.cmd.Process.Kill())
	_ = child.cmd.Wait()
	waitFor(t, "the container's end", func() bool { return !rec.Running() })
	Reclaim(d)
	nothingLeft(t, d)
}

func TestRunIsCancelled(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	res := do(t, job{Verb: "run", Spec: shell("sleep 1000"), Dirs: d, Deadline: time.Second})
	if res.Exit.Code() != 137 {
		t.Errorf("%+v %s", res.Exit, res.Error)
	}
	res = do(t, job{Verb: "run", Spec: shell("sleep 1000"), Dirs: d, Deadline: time.Nanosecond})
	contains(t, res.Error, "deadline exceeded")
	nothingLeft(t, d)
}

func TestRunOfDirectories(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	p, err := plan.Resolve(d, "test")
	must(t, err)
	for _, overlay := range []bool{true, false} {
		s := shell("echo changed >/etc/new")
		s.Image, s.Rootfs = "", &spec.Rootfs{Dir: p.Layers[0], Overlay: overlay}
		res := do(t, job{Verb: "run", Spec: s, Dirs: d})
		if res.Error != "" || res.Exit.Code() != 0 || exists(p.Layers[0]+"/etc/new") == overlay {
			t.Errorf("overlay %v: %s %d, changed: %v", overlay, res.Error, res.Exit.Code(), exists(p.Layers[0]+"/etc/new"))
		}
	}
	nothingLeft(t, d)
}

// The host image is the machine, read-only, with a throw-away working tree.
func TestRunOfTheHost(t *testing.T) {
	nstest.Need(t, probe.UserNamespace, probe.Namespaces, probe.ProcMount)
	d := testDirs(t)
	home := t.TempDir()
	work := home + "/work"
	must(t, os.Mkdir(work, 0o755))
	must(t, os.WriteFile(home+"/secret", []byte("SECRET"), 0o644))
	must(t, os.WriteFile(work+"/file", []byte("old"), 0o644))
	s := shell(fmt.Sprintf("cat %s/secret; pwd; cat file; echo new >file; cat file; touch /usr/x; touch /tmp/ok && ls /tmp; ls -A /home", home))
	s.Image, s.Host, s.Args[0] = "", true, "/bin/sh"
	res := do(t, job{Verb: "run", Spec: s, Dirs: d, Home: home, Cwd: work})
	if want := work + "\noldnew\n"; res.Error != "" || !strings.HasPrefix(res.stdout, want) || strings.Contains(res.stdout, "SECRET") {
		t.Errorf("%s%q%s", res.Error, res.stdout, res.stderr)
	}
	contains(t, res.stderr, "Read-only")
	if readFile(t, work+"/file") != "old" {
		t.Error("the working tree was changed")
	}
	nothingLeft(t, d)
}
