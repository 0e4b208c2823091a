package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/hint"
)

func gate(step launch.GateStep, path string, errno syscall.Errno) error {
	return fmt.Errorf("wrapped: %w", &launch.ExecError{Step: step, Path: path, Err: errno})
}

// One line says what is wrong, one what helps, and the code what kind it is.
func TestSay(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"nothing":              {nil, 0, ""},
		"plain":                {errors.New("it broke"), 125, "burrow: error: it broke\n"},
		"with advice":          {hint.New(errors.New("it broke"), "mend it"), 125, "burrow: error: it broke\nhint: mend it\n"},
		"said already":         {fmt.Errorf("x: %w", exitCode(7)), 7, ""},
		"not found":            {gate(launch.GateExec, "x", syscall.ENOENT), 127, "burrow: error: wrapped: exec \"x\": not found in the container\n"},
		"file not found":       {gate(launch.GateExec, "/x", syscall.ENOENT), 127, "burrow: error: wrapped: exec \"/x\": not found in the container\nhint: the file, or the interpreter or loader that it names, is not in the image\n"},
		"capabilities":         {gate(launch.GateExec, "ping", syscall.EPERM), 126, "burrow: error: wrapped: exec \"ping\": operation not permitted\nhint: the file has capabilities that the container has not: getcap names them, --cap-add gives them, a copy of it has none\n"},
		"not executable":       {gate(launch.GateExec, "x", syscall.EACCES), 126, "burrow: error: wrapped: exec \"x\": permission denied\nhint: the file is not executable for the container's user\n"},
		"no format":            {gate(launch.GateExec, "x", syscall.ENOEXEC), 126, "burrow: error: wrapped: exec \"x\": exec format error\nhint: the file is for another architecture, or a script without #! line\n"},
		"too long":             {gate(launch.GateExec, "x", syscall.E2BIG), 126, "burrow: error: wrapped: exec \"x\": argument list too long\n"},
		"filter":               {gate(launch.GateSeccomp, "x", syscall.EACCES), 125, "burrow: error: wrapped: load seccomp filter: permission denied\n"},
		"no directory":         {fmt.Errorf("wrapped: %w", &launch.WorkdirError{Dir: "/x", Err: syscall.ENOENT}), 127, "burrow: error: wrapped: working directory \"/x\": no such file or directory\n"},
		"a file for one":       {&launch.WorkdirError{Dir: "/x", Err: syscall.ENOTDIR}, 126, "burrow: error: working directory \"/x\": not a directory\n"},
		"never reached":        {&launch.ExecError{Err: launch.ErrInit}, 125, "burrow: error: start container: its first process ended before the command was started\n"},
		"disk is full":         {&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, 125, "burrow: error: write /x: no space left on device\nhint: the disk is full: burrow rm and burrow rmi free space without needing any\n"},
		"quota":                {syscall.EDQUOT, 125, "burrow: error: disk quota exceeded\nhint: your disk quota is used up: burrow rm and burrow rmi free space\n"},
		"own advice is nearer": {hint.New(syscall.ENOSPC, "mine"), 125, "burrow: error: no space left on device\nhint: mine\n"},
		"elsewhere":            {hint.New(&reported{report{Error: "there", Code: 127}}, "go there"), 127, "burrow: error: there\nhint: go there\n"},
		"very long":            {errors.New(strings.Repeat("é", 3000)), 125, "burrow: error: " + strings.Repeat("é", 2048) + "…\n"},
		"several lines":        {hint.New(errors.New("a\nb\tc"), "d\ne"), 125, "burrow: error: a b c\nhint: d e\n"},
	} {
		var out bytes.Buffer
		if code := say(&out, c.err); code != c.code || out.String() != c.want {
			t.Errorf("%s: %d %q, want %d %q", name, code, out.String(), c.code, c.want)
		}
	}
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.EMFILE, syscall.ENFILE} {
		if advice(errno) == "" {
			t.Errorf("no advice for %v", errno)
		}
	}
}

// Names in messages are the image's or another user's: they must not move the
// cursor, begin a line or hide what follows.
func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", " a\n b\r\n": "a  b", "a\x1b[2Jb": "a?[2Jb", "a\x00b\x7fc": "a?b?c",
		"c1\u009b31m": "c1?31m", "ümlaut ✓": "ümlaut ✓", "a\rb": "a?b", "\xff": "\ufffd",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("a\x1b]0;x\x07\n")
	f.Fuzz(func(t *testing.T, in string) {
		for _, r := range oneLine(in) {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%q leaves %q", in, r)
			}
		}
	})
}

func TestParseInspect(t *testing.T) {
	for in, want := range map[string]string{
		"a":                        "all  [a]",
		"a b":                      "all  [a b]",
		"-f json a":                "all json [a]",
		"--format={{.Id}} a":       "all {{.Id}} [a]",
		"a --format x=y":           "all x=y [a]",
		"-t container a":           "container  [a]",
		"--type=image a":           "image  [a]",
		"-f json -- -a --b":        "all json [-a --b]",
		"--help":                   "help",
		"-h a":                     "help",
		"":                         "error burrow inspect needs a container, an image or a volume",
		"-f":                       "error flag needs an argument: -f",
		"--bogus a":                "error unknown flag: --bogus",
		"-x a":                     "error unknown flag: -x",
		"--type pod a":             "error --type \"pod\"",
		"--type=container --":      "error burrow inspect needs a container",
		"--size a":                 "all  [a]",
		"a -t":                     "error flag needs an argument: -t",
		"--type container --help":  "help",
		"--format= --type=image a": "image  [a]",
	} {
		o, err := parseInspect(strings.Fields(in))
		got := fmt.Sprintf("%s %s %v", o.kind, o.format, o.names)
		switch {
		case err != nil:
			got = "error " + err.Error()
		case o.help:
			got = "help"
		}
		if w, isErr := strings.CutPrefix(want, "error "); isErr && err != nil && strings.Contains(got, w) {
			continue
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// What fetches images is found beside burrow, or where `make install` puts it.
func TestImageTool(t *testing.T) {
	cmd, err := imageTool(t.Context(), "pull", "x")
	if err == nil {
		t.Logf("found %s", cmd.Path)
	} else if hint.Of(err) == "" {
		t.Errorf("%v without advice", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(self), imageToolName)
	if _, err := os.Stat(beside); err == nil {
		t.Skip(beside + " is there")
	}
	if err := os.WriteFile(beside, nil, 0o755); err != nil {
		t.Skip(err)
	}
	defer os.Remove(beside)
	t.Setenv("BURROW_STAGE", "joined")
	cmd, err = imageTool(t.Context(), "pull", "x")
	if err != nil || cmd.Path != beside || cmd.Args[0] != "burrow" || slices.Contains(cmd.Env, "BURROW_STAGE=joined") {
		t.Errorf("%+v %v", cmd, err)
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[string]string{"0": "0s", "90": "1m30s", "x": "error", "": "error", "1.5": "error"} {
		d, err := seconds(in)
		got := d.String()
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	if d, err := seconds("-1"); err != nil || d.Hours() < 1e5 {
		t.Errorf("no limit: %s %v", d, err)
	}
}
