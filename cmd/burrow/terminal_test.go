package main_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// terminalKey is under which the number of the script's current terminal is.
type terminalKey struct{}

// A script's terminal is a tmux session with a server of its own; the newest is meant:
//
//	terminal COLSxROWS CMD   start CMD, a shell command, in a terminal of that size
//	type KEY...              press keys, named as tmux names them: Enter, C-c, "ls -l"
//	screen RE                wait until the screen matches RE
//	resize COLSxROWS         change its size
func tmux(ts *testscript.TestScript, args ...string) []string {
	n, _ := ts.Value(terminalKey{}).(int)
	socket := filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "tmux"+strconv.Itoa(n))
	return append([]string{"tmux", "-f", "/dev/null", "-S", socket}, args...)
}

func runTmux(ts *testscript.TestScript, args ...string) {
	if out, err := command(ts, tmux(ts, args...)...).CombinedOutput(); err != nil {
		ts.Fatalf("tmux %v: %v: %s", args, err, out)
	}
}

func size(ts *testscript.TestScript, s string) (cols, rows string) {
	var c, r int
	if _, err := fmt.Sscanf(s, "%dx%d", &c, &r); err != nil {
		ts.Fatalf("size %q: %v", s, err)
	}
	return fmt.Sprint(c), fmt.Sprint(r)
}

func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: terminal COLSxROWS CMD")
	}
	cols, rows := size(ts, args[0])
	n, _ := ts.Value(terminalKey{}).(int)
	environ(ts).Values[terminalKey{}] = n + 1
	runTmux(ts, "new-session", "-d", "-x", cols, "-y", rows, args[1])
	kill := tmux(ts, "kill-server")
	ts.Defer(func() { _ = command(ts, kill...).Run() })
	runTmux(ts, "set-option", "-g", "status", "off")
	runTmux(ts, "set-option", "-g", "remain-on-exit", "on")
	runTmux(ts, "resize-window", "-x", cols, "-y", rows)
}

func cmdType(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: type KEY...")
	}
	runTmux(ts, append([]string{"send-keys"}, args...)...)
}

func cmdResize(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: resize COLSxROWS")
	}
	cols, rows := size(ts, args[0])
	runTmux(ts, "resize-window", "-x", cols, "-y", rows)
}

func cmdScreen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: screen RE")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, re, tmux(ts, "capture-pane", "-p")...)
}
