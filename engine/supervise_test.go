package engine

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// created makes a container that waits to be started.
func created(t *testing.T, d paths.Dirs, s spec.Spec) Record {
	t.Helper()
	res := do(t, job{Verb: "create", Spec: s, Dirs: d})
	if res.Error != "" {
		t.Fatal(res.Error)
	}
	rec, err := Lookup(d, res.Record.ID)
	if err != nil || rec.Running() || !rec.Waits || rec.abandoned() {
		t.Fatalf("%+v %v", rec, err)
	}
	return rec
}

// supervising starts a container with a supervisor and waits until it runs.
func supervising(t *testing.T, d paths.Dirs, rec Record) (*started, Record) {
	t.Helper()
	return supervisingAs(t, d, rec, "")
}

// supervisingAs also says whether the supervisor settles.
func supervisingAs(t *testing.T, d paths.Dirs, rec Record, settle string) (*started, Record) {
	t.Helper()
	child := start(t, job{Verb: "supervise", ID: rec.ID, Dirs: d, Settle: settle}, nil)
	waitFor(t, "the container", func() bool {
		now, err := LoadRecord(rec.dir)
		rec = now
		return err == nil && now.Running() && exists(attachSocket(d, rec.ID))
	})
	return child, rec
}

func TestSupervise(t *testing.T) {
	for _, settle := range []string{"", "refused", "done"} {
		t.Run("settle="+settle, func(t *testing.T) { testSupervise(t, settle) })
	}
}

func testSupervise(t *testing.T, settle string) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("echo out; echo err >&2; read x; echo got $x; exit 5")
	s.Stdio.Interactive, s.Remove, s.Name = true, false, "sup"
	rec := created(t, d, s)
	child, rec := supervisingAs(t, d, rec, settle)
	conn, err := Attach(d, rec)
	must(t, err)
	defer conn.Close()
	must(t, writeFrame(conn, frameInput, []byte("input\n")))
	out, status, err := take(conn)
	if err != nil || syscall.WaitStatus(status).ExitStatus() != 5 || !strings.Contains(out, "got input\n") {
		t.Errorf("%q %#x %v", out, status, err)
	}
	res := child.wait(t)
	if res.Exit.Code() != 5 || res.Error != "" || !res.Started || res.Settled != (settle == "done") {
		t.Errorf("%+v", res)
	}
	log := readFile(t, LogPath(d, rec))
	for _, want := range []string{`stdout F out`, `stderr F err`, `stdout F got input`} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("%s is not in the log: %q", want, log)
		}
	}
	rec, err = Lookup(d, "sup")
	if err != nil || !rec.Exited || rec.ExitCode != 5 || rec.Foreground || exists(attachSocket(d, rec.ID)) {
		t.Errorf("%+v %v", rec, err)
	}
	if _, err := Attach(d, rec); err == nil {
		t.Error("attached to one that has ended")
	}
	// It starts again as it was, and remembers when it was made.
	if err := os.WriteFile(rec.stoppedMark(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if res := do(t, job{Verb: "supervise", ID: rec.ID, Dirs: d, Again: true}); !strings.Contains(res.Error, errStopped.Error()) {
		t.Errorf("restarted by itself although stopped: %+v", res)
	}
	child, again := supervisingAs(t, d, rec, settle)
	if !again.Created.Equal(rec.Created) || again.stopped() {
		t.Errorf("made %s, stopped: %v", again.Created, again.stopped())
	}
	if res := do(t, job{Verb: "supervise", ID: rec.ID, Dirs: d}); !strings.Contains(res.Error, "running") {
		t.Errorf("started twice: %+v", res)
	}
	waitFor(t, "its shell, which as the first process hears no SIGTERM", func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", again.PID))
		return string(comm) == "sh\n"
	})
	if _, err := Stop(t.Context(), d, "sup", 50*time.Millisecond); err != nil {
		t.Error(err)
	}
	if res := child.wait(t); res.Exit.Code() != 137 {
		t.Errorf("%+v", res)
	}
	if _, err := Remove(t.Context(), d, "sup", false); err != nil {
		t.Error(err)
	}
	nothingLeft(t, d)
}

func TestSuperviseFails(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	for _, remove := range []bool{false, true} {
		s := shell("")
		s.Args, s.Remove, s.Name = []string{"nosuch"}, remove, "bad"
		rec := created(t, d, s)
		res := do(t, job{Verb: "supervise", ID: rec.ID, Dirs: d})
		if res.Errno != syscall.ENOENT || res.Started {
			t.Errorf("%+v", res)
		}
		if remove {
			nothingLeft(t, d)
			continue
		}
		rec, err := Lookup(d, "bad")
		if err != nil || !rec.Exited || rec.ExitCode != 125 || !strings.Contains(rec.Error, "nosuch") {
			t.Errorf("%+v %v", rec, err)
		}
		if _, err := Remove(t.Context(), d, "bad", false); err != nil {
			t.Error(err)
		}
	}
	if res := do(t, job{Verb: "supervise", ID: newID(), Dirs: d}); !strings.Contains(res.Error, "no such container") {
		t.Errorf("%+v", res)
	}
}

func TestSupervisedTerminal(t *testing.T) {
	for _, settle := range []string{"", "refused", "done"} {
		t.Run("settle="+settle, func(t *testing.T) { testSupervisedTerminal(t, settle) })
	}
}

func testSupervisedTerminal(t *testing.T, settle string) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("stty size; read x; stty size; tty")
	s.Stdio.TTY, s.Stdio.Interactive, s.Log.Driver = true, true, "none"
	rec := created(t, d, s)
	child, rec := supervisingAs(t, d, rec, settle)
	conn, err := Attach(d, rec)
	must(t, err)
	must(t, writeFrame(conn, frameResize, []byte{33, 0, 99, 0}))
	must(t, writeFrame(conn, frameInput, []byte("x\r")))
	out, _, err := take(conn)
	if err != nil || !strings.Contains(out, "33 99\r\n/dev/") {
		t.Errorf("%q %v", out, err)
	}
	if res := child.wait(t); res.Exit.Code() != 0 {
		t.Errorf("%+v", res)
	}
	if exists(LogPath(d, rec)) {
		t.Error("there is a log")
	}
	nothingLeft(t, d)
}

func TestExec(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("echo up; read x")
	s.Name, s.Stdio.Interactive, s.Process.Env.Set, s.Process.User = "main", true, []string{"A=1"}, "web"
	rec := created(t, d, s)
	child, rec := supervising(t, d, rec)
	for name, c := range map[string]struct {
		e    ExecSpec
		code int
		out  string
		want string // of the error
	}{
		"like the first": {ExecSpec{Args: []string{"sh", "-c", "id -u; id -G; pwd; echo $A $HOME; exit 3"}}, 3, "^33\n33 4 50\n/\n1 /var/www\n$", ""},
		"own user":       {ExecSpec{Args: []string{"busybox", "id", "-u"}, User: "0"}, 0, "^0\n$", ""},
		"own place":      {ExecSpec{Args: []string{"sh", "-c", "pwd; echo $B"}, Workdir: "/etc", Env: spec.Env{Set: []string{"B=2"}}}, 0, "^/etc\n2\n$", ""},
		"confined":       {ExecSpec{Args: []string{"sh", "-c", "grep -E 'CapInh|NoNew|Seccomp:' /proc/self/status; ls /proc/self/fd"}}, 0, "^CapInh:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n0\n1\n2\n3\n$", ""},
		"same processes": {ExecSpec{Args: []string{"sh", "-c", "cat /proc/1/cmdline"}}, 0, "read x", ""},
		"descriptor":     {ExecSpec{Args: []string{"pwd"}, Workdir: "/proc/self/fd/5"}, 0, "", "process's directory"},
		"no program":     {ExecSpec{Args: []string{"nosuch"}}, 0, "", "nosuch"},
		"no user":        {ExecSpec{Args: []string{"id"}, User: "nosuch"}, 0, "", "/etc/passwd"},
		"unmapped user":  {ExecSpec{Args: []string{"id"}, User: "70000"}, 0, "", "not mapped"},
		"NUL":            {ExecSpec{Args: []string{"\x00"}}, 0, "", "NUL"},
		"detached":       {ExecSpec{Args: []string{"busybox", "sleep", "1000"}, Detach: true}, 0, "^$", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.e.Stdio = spec.Default().Stdio
			res := do(t, job{Verb: "exec", ID: "main", Exec: c.e, Dirs: d})
			if c.want != "" {
				contains(t, res.Error, c.want)
				return
			}
			if res.Error != "" || res.Exit.Code() != c.code || !regexp.MustCompile(c.out).MatchString(res.stdout) {
				t.Errorf("%s code %d %q %q", res.Error, res.Exit.Code(), res.stdout, res.stderr)
			}
		})
	}
	conn, err := Attach(d, rec)
	must(t, err)
	must(t, writeFrame(conn, frameInputEnd, nil))
	_, _ = io.Copy(io.Discard, conn)
	child.wait(t)
	res := do(t, job{Verb: "exec", ID: rec.ID, Exec: ExecSpec{Args: []string{"true"}}, Dirs: d})
	if res.Error == "" {
		t.Error("exec in one that is gone")
	}
	nothingLeft(t, d)
}

// Attach to one without a supervisor says what is the matter.
func TestAttachToNobody(t *testing.T) {
	d := testDirs(t)
	p := someone(t)
	rec := record(t, d, func(r *Record) { r.PID, r.Start = p.PID, p.Start })
	_, err := Attach(d, rec)
	if err == nil || !strings.Contains(err.Error(), "nobody supervises it") {
		t.Errorf("%v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: attachSocket(d, rec.ID), Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	l.Close() // as SIGKILL leaves it
	if _, err := Attach(d, rec); err == nil || !strings.Contains(err.Error(), "nobody supervises it") {
		t.Errorf("%v", err)
	}
}
