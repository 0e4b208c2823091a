package main_test

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// Commands that a script leaves running:
//
//	spawn NAME PROG ARG...   start PROG
//	signal NAME SIG          send it a signal: TERM, USR1, …
//	ended NAME CODE          wait until it has ended with exit code CODE, or for
//	                         a signal with 128+n; stdout and stderr are its own
type spawned struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	done     chan struct{}
}

type spawnKey string

func cmdSpawn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: spawn NAME PROG [ARG...]")
	}
	s := &spawned{done: make(chan struct{})}
	s.cmd = command(ts, args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.err
	ts.Check(s.cmd.Start())
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	environ(ts).Values[spawnKey(args[0])] = s
	ts.Defer(func() { _ = s.cmd.Process.Kill() })
}

// command prepares a command with the script's directory and environment; of
// variables that the script has added it knows nothing.
func command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.Command("env", args...) // env searches the script's PATH
	cmd.Dir = ts.MkAbs(".")
	for _, kv := range environ(ts).Vars {
		name, _, _ := strings.Cut(kv, "=")
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func find(ts *testscript.TestScript, name string) *spawned {
	s, ok := ts.Value(spawnKey(name)).(*spawned)
	if !ok {
		ts.Fatalf("nothing was spawned as %s", name)
	}
	return s
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME SIG")
	}
	sig := unix.SignalNum("SIG" + args[1])
	if sig == 0 {
		ts.Fatalf("no such signal: %s", args[1])
	}
	ts.Check(find(ts, args[0]).cmd.Process.Signal(sig))
}

func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ended NAME CODE")
	}
	s := find(ts, args[0])
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		ts.Fatalf("%s still runs; so far:\n%s\n%s", args[0], s.out.String(), s.err.String())
	}
	_, _ = ts.Stdout().Write(s.out.Bytes())
	_, _ = ts.Stderr().Write(s.err.Bytes())
	ts.Logf("[stdout]\n%s[stderr]\n%s", s.out.String(), s.err.String())
	if got := code(s.cmd); got != args[1] {
		ts.Fatalf("%s ended with %s, want %s", args[0], got, args[1])
	}
}

// code is the exit code as a shell has it.
func code(cmd *exec.Cmd) string {
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return strconv.Itoa(128 + int(ws.Signal()))
	}
	return strconv.Itoa(cmd.ProcessState.ExitCode())
}
