package engine

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/probe"
)

// A container's parent confines itself and leaves mounts to die with it. So
// each is run by a child of the test: this executable, in a mount namespace of
// its own, with a job on descriptor 3 and the result on 4.
const jobVar = "BURROW_TEST_JOB"

type job struct {
	Verb     string // run, create, supervise, exec
	Spec     spec.Spec
	Dirs     paths.Dirs
	ID       string
	Exec     ExecSpec
	Home     string
	Cwd      string
	Again    bool
	Deadline time.Duration // then the caller gives up
}

type outcome struct {
	Exit     Exit
	Error    string
	Hint     string
	Step     launch.GateStep
	Errno    syscall.Errno
	Warnings []string
	Record   Record
	Started  bool

	stdout, stderr string
}

func TestJob(t *testing.T) {
	path, ok := os.LookupEnv(jobVar)
	if !ok {
		t.Skip("this is the child of another test")
	}
	runtime.LockOSThread()
	var j job
	must(t, gob.NewDecoder(strings.NewReader(readFile(t, path))).Decode(&j)) // JSON would not keep all bytes
	o := Options{Dirs: j.Dirs, Home: j.Home, Cwd: j.Cwd, Stdin: os.NewFile(3, "in"), Stdout: os.NewFile(4, "out"), Stderr: os.NewFile(5, "err")}
	o.UIDs, o.GIDs = ownMaps(t)
	var res outcome
	o.Warn = func(s string) { res.Warnings = append(res.Warnings, s) }
	ctx := t.Context()
	if j.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Deadline)
		defer cancel()
	}
	err := perform(ctx, j, o, &res)
	if err != nil {
		res.Error, res.Hint = err.Error(), hint.Of(err)
	}
	var gate *launch.ExecError
	if errors.As(err, &gate) {
		res.Step = gate.Step
		errors.As(gate.Err, &res.Errno)
	}
	must(t, json.NewEncoder(os.NewFile(6, "result")).Encode(res))
}

func perform(ctx context.Context, j job, o Options, res *outcome) (err error) {
	switch j.Verb {
	case "run":
		res.Exit, err = Run(ctx, j.Spec, o)
	case "create":
		res.Record, err = Create(ctx, j.Spec, o)
	case "supervise":
		res.Exit, err = Supervise(ctx, j.ID, o, SuperviseOptions{Started: func() { res.Started = true }, Again: j.Again})
	case "exec":
		res.Exit, err = Exec(ctx, j.ID, j.Exec, o)
	}
	return err
}

// started is a job whose child runs.
type started struct {
	cmd    *exec.Cmd
	result *os.File
	out    [2]*os.File
}

func start(t testing.TB, j job, stdin *os.File) *started {
	t.Helper()
	text, err := os.CreateTemp(t.TempDir(), "job")
	must(t, err)
	defer text.Close()
	must(t, gob.NewEncoder(text).Encode(j))
	s := &started{cmd: exec.Command("/proc/self/exe", "-test.run=^TestJob$", "-test.count=1")}
	temp := func() *os.File {
		f, err := os.CreateTemp(t.TempDir(), "job")
		must(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	s.result, s.out = temp(), [2]*os.File{temp(), temp()}
	if stdin == nil {
		stdin, err = os.Open(os.DevNull)
		must(t, err)
		defer stdin.Close()
	}
	s.cmd.ExtraFiles = []*os.File{stdin, s.out[0], s.out[1], s.result}
	s.cmd.Env = append(os.Environ(), jobVar+"="+text.Name(), "GOMAXPROCS=1")
	if dir := os.Getenv("BURROW_TEST_COVERDIR"); dir != "" {
		f, err := os.CreateTemp(dir, "job-*.out")
		must(t, err)
		must(t, f.Close())
		s.cmd.Args = append(s.cmd.Args, "-test.coverprofile="+f.Name())
	}
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	must(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// wait returns what became of the job.
func (s *started) wait(t testing.TB) outcome {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("the child: %v", err)
	}
	var res outcome
	must(t, json.Unmarshal([]byte(readFile(t, s.result.Name())), &res))
	res.stdout, res.stderr = readFile(t, s.out[0].Name()), readFile(t, s.out[1].Name())
	return res
}

func do(t testing.TB, j job) outcome {
	t.Helper()
	return start(t, j, nil).wait(t)
}

// testImage stores an image that can run this executable's gate, and a shell.
func testImage(t testing.TB, d paths.Dirs, change func(p *plan.Plan)) {
	t.Helper()
	nstest.Need(t, probe.UserNamespace, probe.Namespaces, probe.ProcMount)
	layer := makeLayer(t,
		file{kind: 'd', path: "bin", mode: 0o755}, file{kind: 'd', path: "etc", mode: 0o755}, file{kind: 'd', path: "tmp", mode: 0o1777},
		file{kind: 'f', path: "etc/passwd", mode: 0o644, text: passwdText}, file{kind: 'f', path: "etc/group", mode: 0o644, text: groupText},
		file{kind: 'f', path: "bin/data", mode: 0o644, text: "x"}, file{kind: 'f', path: "bin/odd", mode: 0o755, text: "x"},
		file{kind: 'l', path: "bin/sh", text: "busybox"},
	)
	for _, f := range append(libraries(t), "/bin/busybox") {
		dest := filepath.Join(layer, f)
		must(t, os.MkdirAll(filepath.Dir(dest), 0o755))
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip(err)
		}
		must(t, os.WriteFile(dest, b, 0o755))
	}
	p := &plan.Plan{
		Version: plan.Version, ID: strings.Repeat("e", 64), Names: []string{"localhost/test:latest"}, OS: "linux", Arch: runtime.GOARCH,
		Layers: []string{layer}, Config: plan.Config{Env: []string{"PATH=/bin"}},
	}
	if change != nil {
		change(p)
	}
	must(t, plan.Write(d, p))
}

// libraries are what the dynamic linker needs to start this executable.
func libraries(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	out, err := exec.Command("ldd", self).Output()
	if err != nil {
		return nil // static
	}
	return regexp.MustCompile(`(?m)/[^ ]+\.so[^ ]*`).FindAllString(string(out), -1)
}

func shell(script string) spec.Spec {
	s := spec.Default()
	s.Image, s.Args, s.Network.Mode, s.Remove = "test", []string{"sh", "-c", script}, "none", true
	return s
}

// nothingLeft says what a container left behind.
func nothingLeft(t testing.TB, d paths.Dirs) {
	t.Helper()
	for _, dir := range []string{d.Containers(), namesDir(d), d.Run} {
		if left, _ := names(dir); len(left) != 0 {
			t.Errorf("left in %s: %q", dir, left)
		}
	}
}

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
		"network": {"ls /sys/class/net; cat /proc/net/dev | wc -l", nil, 0, "^lo\n3\n$"},
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
