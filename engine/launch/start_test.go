package launch

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/probe"
	"github.com/burrow-run/burrow/security"
)

func libraries(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	out, err := exec.Command("ldd", self).Output()
	if err != nil {
		return nil // static
	}
	return library.FindAllString(string(out), -1)
}

// container is the config of a plain container that runs a shell script.
func container(t *testing.T, text string) Config {
	t.Helper()
	nstest.Need(t, probe.UserNamespace, probe.Namespaces, probe.ProcMount)
	runtime.LockOSThread() // the parent of PR_SET_PDEATHSIG is a thread
	t.Cleanup(runtime.UnlockOSThread)
	root := testRoot(t)
	must(t, unix.Mount(root, root, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(root, unix.MNT_DETACH)) })
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { null.Close() })
	p, err := security.Compile(security.Options{}, security.Probe())
	must(t, err)
	return Config{
		ID: "test", StateDir: t.TempDir(), Rootfs: root, Hostname: "h", Cwd: "/", Policy: p, Sysctls: map[string]string{},
		UIDs: whole(), GIDs: whole(), Namespaces: Namespaces{Time: Namespace{Host: true}},
		Mounts: []Mount{
			{Type: "proc", Source: "proc", Dest: "/proc"},
			{Type: "tmpfs", Source: "tmpfs", Dest: "/dev"},
			{Type: "devpts", Source: "devpts", Dest: "/dev/pts", Data: "newinstance,ptmxmode=0666"},
		},
		Devices: []Device{{Path: "/dev/null", Type: 'c', Major: 1, Minor: 3}},
		Args:    []string{"sh", "-c", text}, Env: []string{"PATH=/bin"}, Stdin: null, Stdout: null, Stderr: null,
		DieWithParent: true,
	}
}

// output lets a container run to its end.
func output(t *testing.T, c Config, filter *security.Program) (string, syscall.WaitStatus, error) {
	t.Helper()
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	c.Stdout, c.Stderr = write, write
	box, err := Create(t.Context(), c, filter)
	write.Close()
	if err != nil {
		return "", 0, err
	}
	defer box.Destroy()
	if box.PID() <= 0 {
		t.Errorf("pid %d", box.PID())
	}
	if err := box.Exec(); err != nil {
		return "", 0, err
	}
	out, err := io.ReadAll(read)
	must(t, err)
	status, err := box.Wait()
	return string(out), status, err
}

func TestContainer(t *testing.T) {
	c := container(t, "hostname; id -u; cat /proc/sys/user/max_user_namespaces; grep Seccomp: /proc/self/status; exit 6")
	filter, err := c.Policy.Seccomp.Program(t.TempDir())
	must(t, err)
	out, status, err := output(t, c, filter)
	if err != nil || status.ExitStatus() != 6 || out != "h\n0\n0\nSeccomp:\t2\n" {
		t.Errorf("%q %#x %v", out, status, err)
	}
}

// The payload is held back until it is let go, and then says what went wrong.
func TestContainerIsHeldBack(t *testing.T) {
	c := container(t, "")
	c.Args = []string{"nosuch"}
	_, _, err := output(t, c, nil)
	var e *ExecError
	if !errors.As(err, &e) || e.Step != GateExec || !errors.Is(err, syscall.ENOENT) || e.Path != "nosuch" {
		t.Errorf("%v", err)
	}
	c = container(t, "echo ran >/tmp/ran")
	box, err := Create(t.Context(), c, nil)
	must(t, err)
	box.Destroy()
	if _, err := os.Stat(c.Rootfs + "/tmp/ran"); err == nil {
		t.Error("it ran before it was let go")
	}
	if unix.Kill(box.PID(), 0) == nil {
		t.Error("it lives")
	}
	box.Destroy() // once more does no harm
}

// If the gate itself cannot run, that is no success.
func TestContainerWithoutGate(t *testing.T) {
	if len(libraries(t)) == 0 {
		t.Skip("this executable is static: its gate runs anywhere")
	}
	c := container(t, "echo ran")
	for _, lib := range libraries(t) {
		must(t, os.Remove(c.Rootfs+lib))
	}
	out, _, err := output(t, c, nil)
	if !errors.Is(err, ErrInit) || strings.Contains(out, "ran") {
		t.Errorf("%q %v", out, err)
	}
}

func TestContainerIsSignalled(t *testing.T) {
	c := container(t, "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done")
	read, write, err := os.Pipe()
	must(t, err)
	c.Stdout = write
	box, err := Create(t.Context(), c, nil)
	must(t, err)
	defer box.Destroy()
	must(t, box.Exec())
	_, err = read.Read(make([]byte, 3))
	must(t, err)
	must(t, box.Signal(syscall.SIGTERM))
	status, err := box.Wait()
	if err != nil || status.ExitStatus() != 5 {
		t.Errorf("%#x %v", status, err)
	}
}

// Whoever ends a container before its payload runs has ended it, and nothing failed.
func TestContainerIsEndedBeforeItsPayload(t *testing.T) {
	for sig, want := range map[syscall.Signal]func(syscall.WaitStatus) bool{
		syscall.SIGKILL: func(s syscall.WaitStatus) bool { return s.Signaled() && s.Signal() == syscall.SIGKILL },
		syscall.SIGTERM: func(s syscall.WaitStatus) bool { return s.ExitStatus() == 128+int(syscall.SIGTERM) },
	} {
		c := container(t, "echo ran")
		read, write, err := os.Pipe()
		must(t, err)
		c.Stdout, c.Stderr = write, write
		box, err := Create(t.Context(), c, nil)
		must(t, err)
		write.Close()
		fd, err := unix.PidfdOpen(box.PID(), 0)
		must(t, err)
		must(t, box.Signal(sig))
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20000)
		must(t, err)
		unix.Close(fd)
		if err := box.Exec(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if status, err := box.Wait(); err != nil || !want(status) {
			t.Errorf("%v: %#x %v", sig, status, err)
		}
		if out, err := io.ReadAll(read); err != nil || len(out) > 0 {
			t.Errorf("%v: %q %v", sig, out, err)
		}
		box.Destroy()
	}
}

func TestContainerTerminal(t *testing.T) {
	c := container(t, "stty size; tty; exit 2")
	c.TTY, c.Width, c.Height = true, 77, 22
	box, err := Create(t.Context(), c, nil)
	must(t, err)
	defer box.Destroy()
	defer box.Console.Close()
	must(t, box.Exec())
	out, _ := io.ReadAll(box.Console) // ends with EIO
	status, err := box.Wait()
	if err != nil || status.ExitStatus() != 2 || !strings.HasPrefix(string(out), "22 77\r\n/dev/") {
		t.Errorf("%q %#x %v", out, status, err)
	}
}

func TestContainersThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"no root": func(c *Config) { c.Rootfs = "/nosuch" },
		"no source": func(c *Config) {
			c.Mounts = append(c.Mounts, Mount{Type: "bind", Source: "/nosuch", Dest: "/x", Flags: unix.MS_BIND})
		},
		"no namespace": func(c *Config) { c.Namespaces.Net.Path = "/nosuch" },
		"no map":       func(c *Config) { c.UIDs = nil },
		"bad rule":     func(c *Config) { c.Policy.Landlock = &security.Ruleset{Rules: []security.BeneathRule{{Path: "/x"}}} },
		"bad limit":    func(c *Config) { c.Policy.Rlimits = []security.Rlimit{{Type: "x"}} },
		"bad sysctl":   func(c *Config) { c.Sysctls["kernel.panic"] = "1" },
	} {
		c := container(t, "echo ran")
		change(&c)
		if out, _, err := output(t, c, nil); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v %q", name, err, out)
		}
	}
}

// A further process is in the same namespaces, under the same confinement.
func TestJoin(t *testing.T) {
	c := container(t, "echo up; read x")
	in, typing, err := os.Pipe()
	must(t, err)
	defer typing.Close()
	read, write, err := os.Pipe()
	must(t, err)
	c.Stdin, c.Stdout = in, write
	box, err := Create(t.Context(), c, nil)
	must(t, err)
	defer box.Destroy()
	must(t, box.Exec())
	_, err = read.Read(make([]byte, 3))
	must(t, err)
	more := c
	more.Args = []string{"sh", "-c", "hostname; cat /proc/1/comm; grep NoNew /proc/self/status; exit 4"}
	second, write2, err := os.Pipe()
	must(t, err)
	more.Stdout = write2
	joined, err := Join(t.Context(), more, nil)
	must(t, err)
	must(t, joined.Exec())
	write2.Close()
	out, err := io.ReadAll(second)
	must(t, err)
	status, err := joined.Wait()
	if err != nil || status.ExitStatus() != 4 || string(out) != "h\nsh\nNoNewPrivs:\t1\n" {
		t.Errorf("%q %#x %v", out, status, err)
	}
	joined.Destroy()
	if unix.Kill(box.PID(), 0) != nil {
		t.Error("the container ended with its further process")
	}
	more.ID = "nosuch"
	if _, err := Join(t.Context(), more, nil); err == nil {
		t.Error("joined nothing")
	}
}
