package main_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// role is which process of ours one is.
type role string

const (
	roleCommand    role = "command"
	roleSupervisor role = "supervisor"
	roleInit       role = "init" // libcontainer's, the gate, and the payload
	roleHelper     role = "helper"
)

var supervisorID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// roleOf tells by the command line, which every role has got from execve.
func roleOf(pid int) role {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := append(strings.Split(string(b), "\x00"), "", "")
	switch {
	case strings.HasSuffix(args[0], "slirp4netns"), strings.Contains(args[0], "pasta"):
		return roleHelper
	case strings.HasSuffix(args[0], "burrow") && supervisorID.MatchString(args[1]):
		return roleSupervisor
	case strings.HasSuffix(args[0], "burrow") && args[1] != "init":
		return roleCommand
	}
	return roleInit
}

// tracer runs a command and everything that it starts under ptrace(2). It kills the
// process of a role that is about to make that role's nth system call, and lets all
// others go.
type tracer struct {
	target role
	nth    int

	root    int
	tgid    map[int]int  // of every traced thread
	roles   map[int]role // of every traced process
	entered map[int]bool // threads that are in a system call
	letGo   map[int]bool // threads that will be released at their next SIGSTOP
	fresh   map[int]bool // threads whose first stop is ptrace's own
	count   int          // system calls of the target role
	ending  bool         // no more is counted: threads are released
	over    bool         // the command itself has ended
	hung    atomic.Bool

	killed   string // what was killed, with its command line; empty: nobody got so far
	exitCode int
}

// patience is how long a command may take, however slow tracing makes it.
const patience = 40 * time.Second

// trace runs cmd, whose process it starts and reaps itself.
func (tr *tracer) trace(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	tr.tgid, tr.roles, tr.entered = map[int]int{}, map[int]role{}, map[int]bool{}
	tr.letGo, tr.fresh = map[int]bool{}, map[int]bool{}
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr.root = cmd.Process.Pid
	defer cmd.Process.Release() //nolint:errcheck // wait4 below has reaped it
	// Everything it leaves inherits the output: that is not waited for.
	tr.tgid[tr.root] = tr.root
	tr.roles[tr.root] = roleInit // sh
	var ws unix.WaitStatus
	if _, err := unix.Wait4(tr.root, &ws, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceSetOptions(tr.root, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|
		unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(patience, func() {
		tr.hung.Store(true)
		_ = unix.Kill(tr.root, unix.SIGKILL)
	})
	defer stop.Stop()
	tr.resume(tr.root, 0)
	for len(tr.tgid) > 0 {
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			break // ECHILD
		}
		tr.event(tid, ws)
	}
	for !tr.over {
		_, err := unix.Wait4(tr.root, &ws, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		tr.over, tr.exitCode = true, ws.ExitStatus()
	}
}

func (tr *tracer) event(tid int, ws unix.WaitStatus) {
	if ws.Exited() || ws.Signaled() {
		tr.forget(tid)
		if tid == tr.root {
			tr.over, tr.exitCode = true, ws.ExitStatus()
			tr.end()
		}
		return
	}
	if !ws.Stopped() {
		return
	}
	if _, known := tr.tgid[tid]; !known { // its parent's event comes later
		tr.adopt(tid, roleInit)
		tr.fresh[tid] = true
	}
	sig := ws.StopSignal()
	switch {
	case sig == unix.SIGSTOP && tr.letGo[tid]:
		tr.release(tid)
		return
	case sig == unix.SIGSTOP && tr.fresh[tid]:
		delete(tr.fresh, tid)
		sig = 0
		if tr.ending {
			tr.release(tid)
			return
		}
	case sig == unix.SIGTRAP|0x80:
		sig = 0
		tr.entered[tid] = !tr.entered[tid]
		if tr.entered[tid] && !tr.ending {
			tr.entering(tid)
		}
	case sig == unix.SIGTRAP && ws.TrapCause() > 0:
		tr.special(tid, ws.TrapCause())
		sig = 0
	}
	tr.resume(tid, sig)
}

// entering counts a system call, and kills at the one that is meant.
func (tr *tracer) entering(tid int) {
	if tr.roles[tr.tgid[tid]] != tr.target || schedules(tid) {
		return
	}
	if tr.count++; tr.count != tr.nth {
		return
	}
	pid := tr.tgid[tid]
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	tr.killed = strconv.Quote(strings.ReplaceAll(string(b), "\x00", " "))
	_ = unix.Kill(pid, unix.SIGKILL)
	tr.end()
}

// schedules says that a thread is about to wait for another one or to signal it.
// How often the runtime does that is chance, and it changes nothing outside.
func schedules(tid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid)) // proc_pid_syscall(5)
	number, _, _ := strings.Cut(string(b), " ")
	n, convErr := strconv.Atoi(number)
	if err != nil || convErr != nil {
		return false
	}
	switch n {
	case unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_SCHED_YIELD, unix.SYS_EPOLL_PWAIT, unix.SYS_MADVISE,
		unix.SYS_TGKILL, unix.SYS_GETPID, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPROCMASK, unix.SYS_SIGALTSTACK:
		return true
	}
	return false
}

// special are clone, fork, vfork and exec.
func (tr *tracer) special(tid, cause int) {
	msg, err := unix.PtraceGetEventMsg(tid)
	if err != nil {
		return
	}
	if cause == unix.PTRACE_EVENT_EXEC {
		pid := tr.tgid[tid]
		for other, of := range maps.Clone(tr.tgid) {
			if of == pid && other != tid {
				tr.forget(other)
			}
		}
		tr.tgid[pid], tr.entered[pid] = pid, true // the stop at its end is still to come
		tr.roles[pid] = roleOf(pid)
		return
	}
	child := int(msg)
	if _, known := tr.tgid[child]; !known {
		tr.fresh[child] = true
	}
	tr.adopt(child, tr.roles[tr.tgid[tid]])
}

// adopt notes a thread. One of a new process has its parent's role until it has an own.
func (tr *tracer) adopt(tid int, like role) {
	tr.tgid[tid] = tid
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "Tgid:"); ok {
			tr.tgid[tid], _ = strconv.Atoi(strings.TrimSpace(text))
		}
	}
	if pid := tr.tgid[tid]; pid == tid {
		tr.roles[pid] = like
	}
}

func (tr *tracer) forget(tid int) {
	delete(tr.tgid, tid)
	delete(tr.entered, tid)
	delete(tr.letGo, tid)
	delete(tr.fresh, tid)
}

// release ends the tracing of a thread that stands still. One that was killed just
// now does not (ESRCH), and its process is there until its end has been waited for.
func (tr *tracer) release(tid int) {
	if unix.PtraceDetach(tid) == nil {
		tr.forget(tid)
	}
}

// end releases everybody. A thread must stand still for that.
func (tr *tracer) end() {
	if tr.ending {
		return
	}
	tr.ending = true
	for tid, pid := range tr.tgid {
		if !tr.fresh[tid] && unix.Tgkill(pid, tid, unix.SIGSTOP) == nil {
			tr.letGo[tid] = true
		}
	}
}

// resume lets a thread go on, to its next system call where those count.
func (tr *tracer) resume(tid int, sig syscall.Signal) {
	if !tr.ending && tr.roles[tr.tgid[tid]] == tr.target {
		_ = unix.PtraceSyscall(tid, int(sig))
		return
	}
	tr.entered[tid] = false
	_ = unix.PtraceCont(tid, int(sig))
}
