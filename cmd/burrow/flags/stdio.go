package flags

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
)

// MaxFDs bounds the descriptors that a container is handed: a process may have 1,024 by default.
const MaxFDs = 1024

// stdioFlags connect the payload to the caller.
type stdioFlags struct {
	interactive, tty, sigProxy, detach bool
	attach, preserveFD                 []string
	detachKeys, preserveFDs            string
}

func (g *stdioFlags) define(d definer) {
	d = d.in("Input and output")
	d.bool(&g.interactive, "interactive", "i", false, "connect standard input")
	d.bool(&g.detach, "detach", "d", false, "let it run in the background and print its ID")
	d.bool(&g.tty, "tty", "t", false, "allocate a terminal")
	d.csv(&g.attach, "attach", "a", "connect only this `STREAM`: stdin, stdout or stderr")
	d.str(&g.detachKeys, "detach-keys", "", "`KEYS` that end the connection; empty for none (default ctrl-p,ctrl-q)")
	d.bool(&g.sigProxy, "sig-proxy", "", true, "forward signals to the container")
	d.str(&g.preserveFDs, "preserve-fds", "", "hand in the `N` file descriptors from 3 on")
	d.csv(&g.preserveFD, "preserve-fd", "", "hand in file descriptor `FD`")
}

func (g *stdioFlags) fill(c *call) {
	s := &c.spec.Stdio
	s.Interactive, s.TTY, s.SigProxy = g.interactive, g.tty, g.sigProxy
	s.Detach = g.detach
	s.Attach.Stdin = g.interactive
	if c.changed("attach") {
		s.Attach = spec.Attach{}
		for _, a := range g.attach {
			c.fail("attach", attach(&s.Attach, a))
		}
	}
	require(c, &s.DetachKeys, "detach-keys", g.detachKeys, spec.ParseDetachKeys)
	g.fillFDs(c, s)
}

func attach(a *spec.Attach, stream string) error {
	switch strings.ToLower(stream) {
	case "stdin":
		a.Stdin = true
	case "stdout":
		a.Stdout = true
	case "stderr":
		a.Stderr = true
	default:
		return fmt.Errorf("%s: is not one of stdin, stdout, stderr", spec.Quote(stream))
	}
	return nil
}

func (g *stdioFlags) fillFDs(c *call, s *spec.Stdio) {
	var n int
	parse(c, &n, "preserve-fds", g.preserveFDs, func(v string) (int, error) { return descriptor(v, 0) })
	for fd := 3; fd < 3+n; fd++ {
		s.PreserveFDs = append(s.PreserveFDs, fd)
	}
	each(c, &s.PreserveFDs, "preserve-fd", g.preserveFD, func(v string) (int, error) { return descriptor(v, 3) })
	slices.Sort(s.PreserveFDs)
	s.PreserveFDs = slices.Compact(s.PreserveFDs)
}

func descriptor(s string, least int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > MaxFDs {
		return 0, fmt.Errorf("%s: is not a number from %d to %d", spec.Quote(s), least, MaxFDs)
	}
	return n, nil
}
