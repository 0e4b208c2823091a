package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestPosture compares everything that the kernel says of each kind of process
// with what posture_expected_test.go has for it, and fails for whatever is not
// there. Root sees all of it. The user himself sees of the process that waits in
// the foreground only that it is hidden.
func TestPosture(t *testing.T) {
	if !testbed.Root() {
		asUser(t, postures)
		return
	}
	u, err := testbed.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Give()
	postures(t, newShellOf(t, u))
}

func postures(t *testing.T, sh *shell) {
	sh.run("burrow", "run", "--rm", "busybox", "true") // makes the anchor
	for _, c := range []struct {
		name string
		test func(t *testing.T, sh *shell)
	}{
		{"container", postureOfContainer},
		{"options", postureOfOptions},
		{"exec", postureOfExec},
		{"supervisor", postureOfSupervisor},
		{"health check", postureOfHealthCheck},
		{"slirp4netns", postureOfHelper},
		{"pasta", postureOfHelper},
		{"unpacker", postureOfUnpacker},
		{"control", postureCanDiffer},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, sh.with(t)) })
	}
}

// postureOfContainer: the first process, the run that waits for it, the anchor.
func postureOfContainer(t *testing.T, sh *shell) {
	pid := sh.start("p", "debian", "sleep", "1000")
	o := newObserver(t, sh, pid)
	o.expect("container", pid, o.ofHost("p", payload))
	o.expectFiles("container", "p", pid, nil)
	sh.run("burrow", "inspect", "--security-report", "p") // its user comes to the same
	o.expect("anchor", testbed.Anchor(sh.runtime), anchor)
	o.expect("run", process(t, sh, "burrow run ", "--name p "), waiting)
}

// postureOfOptions: what flags change, and nothing else.
func postureOfOptions(t *testing.T, sh *shell) {
	sh.run("burrow", "run", "-d", "--rm", "--name", "o", "-t", "--init", "-u", "1000:33", "--group-add=44", "--userns=auto", "busybox", "sleep", "1007")
	defer sh.run("burrow", "rm", "-f", "o")
	first := process(t, sh, "/run/burrow-init ")
	o := newObserver(t, sh, first)
	user := o.ofHost("o", payload).but(facts{
		"uid": "slice 1000", "gid": "slice 33", "groups": "slice 33, slice 44", "CapEff": noCaps, "CapPrm": noCaps,
		"descriptors": "0 /dev/pts/0, 1 /dev/pts/0, 2 /dev/pts/0", "environment": "HOME HOSTNAME PATH TERM container", "exe": "/bin/busybox",
	})
	waitFor(t, func() bool { return hasProcess(t, sh, "sleep 1007") })
	o.expect("payload below an init", process(t, sh, "sleep 1007"), user)
	o.expect("init", first, user.but(facts{"exe": "/run/burrow-init", "descriptors": user["descriptors"] + ", anon_inode:[signalfd]"}))
	sh.run("burrow", "inspect", "--security-report", "o")
	o.expectFiles("with a terminal", "o", first, facts{
		"mount /dev/console":     "devpts /0 rw,nosuid,noexec private",
		"mount /run/burrow-init": "* ro,nosuid,nodev private",
		"devices":                strings.Replace(containerFiles["devices"], "fd ->", "console 136:0, fd ->", 1),
	})
}

// postureOfExec: a process that joins, and the command that waits for it.
// Whatever else starts processes in a container gets its subtest beside this one.
func postureOfExec(t *testing.T, sh *shell) {
	pid := sh.start("e", "debian", "sleep", "1000")
	o := newObserver(t, sh, pid)
	base := o.ofHost("e", payload)
	for name, c := range map[string]struct {
		flags []string
		want  facts
	}{
		"exec": {nil, base.but(facts{"descriptors": "0 /dev/null, 1 /dev/null, 2 /dev/null"})},
		"exec as a user": {[]string{"-u", "1000"}, base.but(facts{
			"descriptors": "0 /dev/null, 1 /dev/null, 2 /dev/null",
			"uid":         "slice 1000", "CapEff": noCaps, "CapPrm": noCaps,
		})},
	} {
		cmd := sh.command(append(append([]string{"burrow", "exec"}, c.flags...), "e", "sleep", "1008")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return hasProcess(t, sh, "sleep 1008") })
		inside := process(t, sh, "sleep 1008")
		o.expect(name, inside, c.want)
		o.expect("the command "+name, process(t, sh, "burrow exec "), execCommand)
		sh.run("burrow", "exec", "e", "sh", "-c", "kill -9 $(pidof sleep | cut -d' ' -f1) || kill -9 $(cd /proc; grep -lx sleep [0-9]*/comm | cut -d/ -f1 | grep -vx 1)")
		_ = cmd.Wait() // it was killed
	}
}

func postureOfSupervisor(t *testing.T, sh *shell) {
	id := strings.TrimSpace(sh.run("burrow", "run", "-d", "--name", "s", "busybox", "sleep", "1000"))
	defer sh.run("burrow", "rm", "-f", "s")
	// It has lived as another program before.
	newObserver(t, sh, 0).expect("supervisor", filtered(t, sh, "burrow "+id+" state="), settledSupervisor)
}

// postureOfHealthCheck: what it runs is as any process that joins, and its
// supervisor is as any other.
func postureOfHealthCheck(t *testing.T, sh *shell) {
	sh.run("burrow", "run", "-d", "--name", "h", "--health-cmd", "exec sleep 1009",
		"--health-interval=1s", "--health-timeout=100s", "debian", "sleep", "1000")
	defer sh.run("burrow", "rm", "-f", "-t", "0", "h")
	waitFor(t, func() bool { return hasProcess(t, sh, "sleep 1009") })
	pid, err := strconv.Atoi(strings.TrimSpace(sh.run("burrow", "inspect", "-f", "{{.State.Pid}}", "h")))
	if err != nil {
		t.Fatal(err)
	}
	o := newObserver(t, sh, pid)
	check := process(t, sh, "sleep 1009")
	o.expect("health check", check, o.ofHost("h", payload).but(facts{
		"descriptors": "0 /dev/null, 1 pipe, 2 pipe", "environment": "HOME HOSTNAME PATH PWD container", // the shell's PWD
	}))
	o.expect("supervisor that checks", parent(t, pid), supervisor)
	o.expect("who hears the check", parent(t, check), hearing)
	o.expect("who starts checks", parent(t, parent(t, check)), starting)

	// A check that ends the container is no reason to go without; one that starts it again is.
	id := strings.TrimSpace(sh.run("burrow", "run", "-d", "--name", "again", "--health-cmd", "true", "--health-on-failure=restart", "debian", "sleep", "1000"))
	defer sh.run("burrow", "rm", "-f", "-t", "0", "again")
	o.expect("supervisor that restarts", process(t, sh, "burrow "+id), restarting)
}

// filtered waits for a process whose command line begins with prefix to have a seccomp filter.
func filtered(t *testing.T, sh *shell, prefix string) (pid int) {
	t.Helper()
	waitFor(t, func() bool {
		for _, pid = range processes(t, sh, prefix) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
			if strings.Contains(string(b), "\nSeccomp:\t2\n") {
				return true
			}
		}
		return false
	})
	return pid
}

// parent is a process's parent.
func parent(t *testing.T, pid int) int {
	t.Helper()
	n, err := strconv.Atoi(status(t, fmt.Sprintf("/proc/%d/status", pid))["PPid"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func postureOfHelper(t *testing.T, sh *shell) {
	helper := filepath.Base(t.Name())
	if _, err := testbed.Lacking(map[string]string{"slirp4netns": "net", "pasta": "pasta"}[helper]); err != nil {
		t.Skip(err)
	}
	port := fmt.Sprintf("127.0.0.1:%d:80", 28000+os.Getpid()%900)
	pid := sh.start("n", "--network="+helper, "-p", port, "debian", "sleep", "1000")
	o := newObserver(t, sh, pid)
	o.expect("container", pid, o.ofHost("n", payload))
	o.expect(helper, process(t, sh, helper+" "), map[string]facts{"slirp4netns": slirp4netns, "pasta": pasta}[helper])
}

// postureOfUnpacker feeds an import slowly enough to look at who reads it.
func postureOfUnpacker(t *testing.T, sh *shell) {
	cmd := sh.command("burrow", "import", "-", "never")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, strings.Repeat("\x00", 100)); err != nil {
		t.Fatal(err)
	}
	// It has lived as another process before, with the same command line.
	worker := filtered(t, sh, "burrow-unpack ")
	o := newObserver(t, sh, 0)
	o.expect("unpacker", worker, unpacker)
	o.expect("import", process(t, sh, "burrow import "), imageTool)
	in.Close()
	_ = cmd.Wait() // no archive
}

// postureCanDiffer is the control of all this: other processes are told apart,
// and a container that is less kept apart does get hold of things.
func postureCanDiffer(t *testing.T, sh *shell) {
	pid := sh.start("c", "--privileged", "--userns=host", "--pid=host", "debian", "sleep", "1000")
	o := newObserver(t, sh, pid)
	differ := strings.Join(differences(o.look(pid), payload), "\n")
	for _, want := range []string{"CapEff", "Seccomp", "NoNewPrivs", "ns user", "ns pid", "owners"} {
		if !strings.Contains(differ, want+": ") {
			t.Errorf("%s is not told apart: %s", want, differ)
		}
	}
	if got := o.grasp(testbed.Anchor(sh.runtime), "--userns=host", "--cap-add=SYS_PTRACE"); got == "nothing" {
		t.Error("a container in the anchor's own user namespace gets hold of nothing")
	}
	// Whether a mount is missing is what is asked, so the other side is what a default container has.
	plain := sh.start("d", "debian", "sleep", "1000")
	missing := strings.Join(differences(o.files(pid), newObserver(t, sh, plain).files(plain)), "\n")
	if !strings.Contains(missing, "mount /proc/sys: is not there") {
		t.Errorf("the mounts of a privileged container are the default's: %s", missing)
	}
}
