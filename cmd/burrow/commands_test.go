package main_test

import (
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/burrow-run/burrow/internal/testbed"
)

// commands are what scripts can do besides testscript's own:
//
//	code N PROG ARG...    PROG ends with exit code N
//	fails N PROG ARG...   the same, and says why as burrow should: nothing on stdout,
//	                      one error line, at most one hint, no stack
//	until RE PROG ARG...  PROG is run again until its output matches RE
//	clean                 no container, process or name is left right now
//	needs COND            skip, with the reason, without COND
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"code":  cmdCode,
		"fails": cmdFails,
		"until": cmdUntil,
		"clean": cmdClean,
		"needs": cmdNeeds,
		// What keeps running, spawn_test.go.
		"spawn":  cmdSpawn,
		"signal": cmdSignal,
		"ended":  cmdEnded,
		// Around a service, service_test.go.
		"manager":  cmdManager,
		"heard":    cmdHeard,
		"activate": cmdActivate,
		"asks":     cmdAsks,
		// In a terminal, terminal_test.go.
		"terminal": cmdTerminal,
		"type":     cmdType,
		"screen":   cmdScreen,
		"resize":   cmdResize,
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROG [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := exitCode(ts, ts.Exec(args[1], args[2:]...))
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	return exit.ExitCode()
}

// voice is how burrow says that something did not work (cmd/burrow/voice.go).
var voice = regexp.MustCompile(`^(burrow: warning: [^\n]+\n)*burrow: error: [^\n]+\n(hint: [^\n]+\n)?$`)

func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	cmdCode(ts, neg, args)
	if s := ts.ReadFile("stdout"); s != "" {
		ts.Fatalf("a command that failed wrote to stdout")
	}
	stderr := ts.ReadFile("stderr")
	if !voice.MatchString(stderr) {
		ts.Fatalf("stderr is not one error line and a hint: %q", stderr)
	}
	for _, bad := range []string{"goroutine ", "panic", ".go:", "bug: ", "%!", "<nil>"} {
		if strings.Contains(stderr, bad) {
			ts.Fatalf("stderr contains %q", bad)
		}
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until RE PROG [ARG...]")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, re, args[1:]...)
}

// poll runs a command until its output matches, and keeps that output.
func poll(ts *testscript.TestScript, re *regexp.Regexp, args ...string) {
	var last []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		last, _ = command(ts, args...).Output()
		if re.Match(last) {
			_, err := ts.Stdout().Write(last)
			ts.Check(err)
			return
		}
	}
	ts.Fatalf("no match for %q, last output:\n%s", re, last)
}

func cmdClean(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: clean")
	}
	left, err := testbed.Left(ts.Getenv("XDG_STATE_HOME"), ts.Getenv("XDG_RUNTIME_DIR"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

func cmdNeeds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: needs COND...")
	}
	for _, cond := range args {
		known, err := testbed.Lacking(cond)
		if !known {
			ts.Fatalf("no such condition: %s", cond)
		}
		if err != nil {
			environ(ts).T().Skip(cond + ": " + err.Error())
		}
	}
}

// envKey is under which setup leaves the script's Env.
type envKey struct{}

func environ(ts *testscript.TestScript) *testscript.Env {
	env, ok := ts.Value(envKey{}).(*testscript.Env)
	if !ok {
		ts.Fatalf("bug: setup has left no Env")
	}
	return env
}
