package nsjoin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/probe"
	"github.com/burrow-run/burrow/internal/stage"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/userns"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// reportVar makes this executable say what became of it before Go started.
const reportVar = "BURROW_TEST_REPORT"

type report struct {
	Joined, AsRoot, CwdLost bool
	Err, LoginErr           string
	UID                     int
	User, Mount, Cwd        string
	Login                   string
}

func TestMain(m *testing.M) {
	if os.Getenv(reportVar) != "" {
		_ = json.NewEncoder(os.Stdout).Encode(own())
		return
	}
	unsetLogin()
	os.Exit(nstest.Unprivileged(m))
}

// unsetLogin makes root's test a process of nobody, as cron's are.
func unsetLogin() {
	if os.Geteuid() == 0 {
		_ = os.WriteFile("/proc/self/loginuid", []byte("4294967295"), 0)
	}
}

func own() report {
	r := report{Joined: nsjoin.Joined(), AsRoot: nsjoin.AsRoot(), CwdLost: nsjoin.CwdLost(), UID: os.Geteuid()}
	if err := nsjoin.Err(); err != nil {
		r.Err = err.Error()
	}
	if err := nsjoin.LoginUIDErr(); err != nil {
		r.LoginErr = err.Error()
	}
	r.User, _ = os.Readlink("/proc/self/ns/user")
	r.Mount, _ = os.Readlink("/proc/self/ns/mnt")
	r.Cwd, _ = os.Readlink("/proc/self/cwd")
	login, _ := os.ReadFile("/proc/self/loginuid")
	r.Login = string(login)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a user's runtime directory with an anchor in it.
type world struct {
	xdg, run string
	anchor   userns.Anchor
	its      report // the anchor's namespaces
}

func newWorld(t *testing.T) *world {
	t.Helper()
	nstest.Need(t, probe.UserNamespace)
	w := &world{xdg: t.TempDir()}
	w.run = w.xdg + "/burrow"
	must(t, os.Mkdir(w.run, 0o700))
	var err error
	w.anchor, err = userns.EnsureAnchor(t.Context(), userns.Options{
		Run:  w.run,
		UIDs: idmap.Map{{Container: 0, Host: uint32(os.Getuid()), Count: 1}},
		GIDs: idmap.Map{{Container: 0, Host: uint32(os.Getgid()), Count: 1}},
	})
	must(t, err)
	t.Cleanup(func() { _ = syscall.Kill(w.anchor.PID, syscall.SIGKILL) }) // whatever the tests make of the pidfile
	w.its.User, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/user", w.anchor.PID))
	must(t, err)
	w.its.Mount, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", w.anchor.PID))
	must(t, err)
	return w
}

// start starts this executable as burrow is started: argv[1] and a stage.
func (w *world) start(t *testing.T, dir, verb, stage string) report {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", verb)
	cmd.Dir = dir
	cmd.Env = []string{reportVar + "=1", "XDG_RUNTIME_DIR=" + w.xdg}
	if stage != "" {
		cmd.Env = append(cmd.Env, stage)
	}
	out, err := cmd.Output()
	must(t, err)
	var r report
	must(t, json.Unmarshal(out, &r))
	return r
}

func (w *world) write(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(w.run+"/anchor", []byte(text), 0o600))
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	here := own()
	if here.Joined || here.AsRoot || here.CwdLost || here.Err != "" {
		t.Errorf("%+v", here)
	}
	for _, c := range []struct {
		verb, stage string
		user, mount bool // the anchor's
	}{
		{"ps", "", true, true},
		{"images", "", true, true},
		{"run", "", true, false},
		{"doctor", "", false, false},
		{"runx", "", false, false},
		{"", "", false, false},
		{"doctor", stage.Env(stage.Joined, ""), true, true},
		{"doctor", stage.Env(stage.Joined, "mounts"), true, false},
		{"doctor", "BURROW_STAGE=other", false, false},
	} {
		r := w.start(t, "/", c.verb, c.stage)
		if r.Err != "" || r.Joined != c.user || (r.User == w.its.User) != c.user || (r.Mount == w.its.Mount) != c.mount {
			t.Errorf("%q %q: %+v", c.verb, c.stage, r)
		}
		if c.user && (r.UID != 0 || r.Mount == here.Mount) || !c.user && (r.User != here.User || r.Mount != here.Mount) {
			t.Errorf("%q %q: %+v", c.verb, c.stage, r)
		}
	}
}

// Without an anchor nothing happens, and that is no error: it is yet to be made.
func TestNoAnchor(t *testing.T) {
	w := newWorld(t)
	self, err := sys.ProcIDOf(os.Getpid())
	must(t, err)
	zombie, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	must(t, err)
	defer func() { _, _ = zombie.Wait() }()
	dead, err := sys.ProcIDOf(zombie.Pid)
	must(t, err)
	for dead.Alive() {
	}
	for name, text := range map[string]string{
		"empty": "", "garbage": "x y", "init": "1 1", "no start": fmt.Sprint(w.anchor.PID), "start of zero": fmt.Sprintf("%d 0", w.anchor.PID),
		"pid used again": fmt.Sprintf("%d %d", self.PID, self.Start+1), "nobody": "1073741824 1", "zombie": fmt.Sprintf("%d %d", dead.PID, dead.Start),
		"zombie, as if never started": fmt.Sprintf("%d 0", dead.PID), "long": strings.Repeat("1", 200),
	} {
		w.write(t, text)
		if r := w.start(t, "/", "run", ""); r.Joined || r.Err != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	must(t, os.Remove(w.run+"/anchor"))
	if r := w.start(t, "/", "run", ""); r.Joined || r.Err != "" {
		t.Errorf("%+v", r)
	}
}

// Whatever moment of its end an anchor is met in, it is joined or it is dead.
func TestDyingAnchor(t *testing.T) {
	for range 40 {
		w := newWorld(t)
		must(t, syscall.Kill(w.anchor.PID, syscall.SIGKILL))
		if r := w.start(t, "/", "run", ""); r.Err != "" {
			t.Fatalf("%+v", r)
		}
	}
}

// A namespace that somebody else owns would put our files into their hands.
func TestForeignNamespace(t *testing.T) {
	w := newWorld(t)
	self, err := sys.ProcIDOf(os.Getpid()) // in the initial namespace, which is root's
	must(t, err)
	w.write(t, fmt.Sprintf("%d %d", self.PID, self.Start))
	r := w.start(t, "/", "run", "")
	if r.Joined || !strings.Contains(r.Err, "owner of user namespace: operation not permitted") {
		t.Errorf("%+v", r)
	}
	if os.Getppid() > 1 {
		parent, err := sys.ProcIDOf(os.Getppid())
		must(t, err)
		w.write(t, fmt.Sprintf("%d %d", parent.PID, parent.Start))
		if r := w.start(t, "/", "run", ""); r.Joined || r.Err == "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestForeignRunDirectory(t *testing.T) {
	w := newWorld(t)
	for _, mode := range []os.FileMode{0o777, 0o720} {
		must(t, os.Chmod(w.run, mode))
		if r := w.start(t, "/", "run", ""); r.Joined {
			t.Errorf("%o: %+v", mode, r)
		}
	}
	must(t, os.Chmod(w.run, 0o700))
	must(t, os.Rename(w.run, w.xdg+"/moved"))
	must(t, os.Symlink("moved", w.run))
	if r := w.start(t, "/", "run", ""); r.Joined {
		t.Errorf("a link: %+v", r)
	}
	must(t, os.Remove(w.run))
	must(t, os.Rename(w.xdg+"/moved", w.run))
	if r := w.start(t, "/", "run", ""); !r.Joined {
		t.Errorf("%+v", r)
	}
	// Without the variable it is looked for where it must be then.
	login := fmt.Sprintf("/run/user/%d/burrow/anchor", os.Getuid())
	if _, err := os.Lstat(login); err == nil {
		t.Skip(login + " comes first: this user has containers")
	}
	fallback := fmt.Sprintf("/tmp/burrow-run-%d", os.Getuid())
	if _, err := os.Lstat(fallback); err == nil {
		t.Skip(fallback + " is there already")
	}
	must(t, os.Symlink(w.run, fallback))
	defer os.Remove(fallback)
	w.xdg = ""
	if r := w.start(t, "/", "run", ""); r.Joined {
		t.Errorf("went through a link in /tmp: %+v", r)
	}
	must(t, os.Remove(fallback))
	must(t, os.Mkdir(fallback, 0o700))
	text, err := os.ReadFile(w.run + "/anchor")
	must(t, err)
	must(t, os.WriteFile(fallback+"/anchor", text, 0o600))
	defer os.RemoveAll(fallback)
	if r := w.start(t, "/", "run", ""); !r.Joined {
		t.Errorf("%+v", r)
	}
}

// Relative paths mean the same inside as outside, or nothing.
func TestWorkingDirectory(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	if r := w.start(t, dir, "run", ""); r.Cwd != dir || r.CwdLost {
		t.Errorf("%+v", r)
	}
	gone := filepath.Join(dir, "gone")
	must(t, os.Mkdir(gone, 0o700))
	script := fmt.Sprintf(`cd %s && rmdir %s && exec "$0" run`, gone, gone)
	self, err := os.Open("/proc/self/exe")
	must(t, err)
	defer self.Close()
	cmd := exec.Command("/bin/sh", "-c", script, fmt.Sprintf("/proc/%d/exe", os.Getpid()))
	cmd.Env = []string{reportVar + "=1", "XDG_RUNTIME_DIR=" + w.xdg}
	out, err := cmd.Output()
	must(t, err)
	var r report
	must(t, json.Unmarshal(out, &r))
	if !r.Joined || !r.CwdLost || r.Cwd != "/" {
		t.Errorf("%+v", r)
	}
}

// Whatever starts, its login UID is fixed: no process in a container can forge
// it any more. One that is set stays.
func TestLoginUID(t *testing.T) {
	const unset = "4294967295"
	before, err := os.ReadFile("/proc/self/loginuid")
	if err != nil {
		t.Skip("this kernel has no audit:", err)
	}
	if string(before) == unset {
		t.Error("this process itself was started without")
	}
	for _, verb := range []string{"", "doctor"} {
		w := &world{xdg: t.TempDir()}
		r := w.start(t, "/", verb, "")
		if r.Login != string(before) || r.LoginErr != "" {
			t.Errorf("%q: login UID %s, before %s; %s", verb, r.Login, before, r.LoginErr)
		}
	}
	if os.Getuid() == nstest.UID && string(before) != fmt.Sprint(nstest.UID) {
		t.Errorf("unset before, now %s", before)
	}
}

// A process that is root of some user namespace is inside already.
func TestRootOfANamespaceStays(t *testing.T) {
	w := newWorld(t)
	cmd := exec.Command("/proc/self/exe", "run")
	cmd.Env = []string{reportVar + "=1", "XDG_RUNTIME_DIR=" + w.xdg}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	must(t, err)
	var r report
	must(t, json.Unmarshal(out, &r))
	if r.Joined || r.Err != "" || r.UID != 0 || r.User == w.its.User {
		t.Errorf("%+v", r)
	}
}
