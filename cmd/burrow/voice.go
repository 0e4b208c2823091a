package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// Everything that burrow says is said here: results on stdout; one line
// "burrow: error: …" and, where there is advice, one line "hint: …" on stderr.

// Exit codes of burrow itself, as Docker's and Podman's; others are the payload's.
const (
	exitOK    = 0
	exitError = 125 // burrow failed; 126 and 127 are launch.PayloadCode's
)

// say prints an error and returns its exit code.
func say(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintf(w, "burrow: error: %s\n", message(err.Error()))
	if h := advice(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", message(h))
	}
	return codeOf(err)
}

func warn(w io.Writer, text string) { fmt.Fprintf(w, "burrow: warning: %s\n", message(text)) }

// warnOfLoginUID is for commands that make or start containers: where a login UID is not
// set and could not be set, a process in the container might.
func (a *app) warnOfLoginUID() {
	if err := nsjoin.LoginUIDErr(); err != nil {
		warn(a.err, fmt.Sprintf("the login UID is not set, and may not be set from here (%v): "+
			"the audit log cannot tell whose processes these are; start burrow from a login session", err))
	}
}

// exitCode is an error that has been said already, or that needs no words.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// codeOf tells errors apart by errno, never by their text.
func codeOf(err error) int {
	var elsewhere *reported
	if errors.As(err, &elsewhere) && elsewhere.Code != 0 {
		return elsewhere.Code
	}
	return cmp.Or(launch.PayloadCode(err), exitError)
}

// advice is the error's own hint, or what usually helps with its kind.
func advice(err error) string {
	if h := hint.Of(err); h != "" {
		return h
	}
	if h := hint.OfHost(err); h != "" {
		return h
	}
	if h := hint.OfHome(err, os.Getenv("HOME")); h != "" {
		return h
	}
	return adviceExec(err)
}

func adviceExec(err error) string {
	var exec *launch.ExecError
	if !errors.As(err, &exec) || exec.Step != launch.GateExec {
		return ""
	}
	switch {
	case errors.Is(err, syscall.ENOENT) && strings.Contains(exec.Path, "/"):
		return "the file, or the interpreter or loader that it names, is not in the image"
	case errors.Is(err, syscall.ENOEXEC):
		return "the file is for another architecture, or a script without #! line"
	case errors.Is(err, syscall.EPERM): // execve(2): a bit of it that counts cannot be given
		return "the file has capabilities that the container has not: getcap names them, --cap-add gives them, a copy of it has none"
	case errors.Is(err, fs.ErrPermission):
		return "the file is not executable for the container's user"
	}
	return ""
}

// maxMessage bounds a message: an image chooses how long the names in it are.
const maxMessage = 4 << 10

// message is oneLine for what is not wanted whole, whatever its length.
func message(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return oneLine(s)
}

// oneLine keeps a message on one line and a terminal unharmed by its bytes.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return '?'
		}
		return r
	}, strings.TrimSpace(s))
}

func unknownStage() int {
	return say(os.Stderr, errors.New("bug: started as an unknown stage"))
}
