package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// firstSocket is where sd_listen_fds(3) begins.
const firstSocket = 3

// takeService reads what a service manager has handed to this process, and takes
// it out of the environment: it is for the container, not for helpers. Sockets are
// left alone where preserved says that descriptors are handed in by number.
func (a *app) takeService(preserved bool) (engine.Service, error) {
	var s engine.Service
	s.Notify = take("NOTIFY_SOCKET")
	if usec := take("WATCHDOG_USEC"); usec != "" {
		// As sd_watchdog_enabled(3): it may be meant for another process.
		if pid := take("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
			if _, err := strconv.ParseUint(usec, 10, 64); err != nil {
				return s, fmt.Errorf("WATCHDOG_USEC=%.20q: not a number", usec)
			}
			s.Watchdog = usec
		}
	}
	pid, count, names := take("LISTEN_PID"), take("LISTEN_FDS"), take("LISTEN_FDNAMES")
	if pid != strconv.Itoa(os.Getpid()) || count == "" || count == "0" {
		return s, nil // not for us (sd_listen_fds(3))
	}
	if preserved { // as Podman
		warn(a.err, "LISTEN_FDS is ignored: --preserve-fds says which descriptors the container gets")
		return s, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > flags.MaxFDs {
		return s, fmt.Errorf("LISTEN_FDS=%.20q: not a number up to %d", count, flags.MaxFDs)
	}
	if s.Sockets, err = sockets(firstSocket, n); err != nil {
		return s, fmt.Errorf("LISTEN_FDS=%d: %w", n, err)
	}
	if strings.Count(names, ":")+1 == n {
		s.Names = names
	}
	return s, nil
}

// take reads a variable and removes it.
func take(name string) string {
	value := os.Getenv(name)
	_ = os.Unsetenv(name)
	return value
}

// sockets are n descriptors from first on. No program that this process starts
// gets them but the payload.
func sockets(first, n int) ([]*os.File, error) {
	var out []*os.File
	for fd := first; fd < first+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 { // what has the flag is our own
			return nil, hint.New(fmt.Errorf("descriptor %d is not open", fd), "systemd-socket-activate --listen=PORT burrow run ...")
		}
		unix.CloseOnExec(fd)
		out = append(out, os.NewFile(uintptr(fd), "socket"))
	}
	return out, nil
}

// What follows the container's ID on a supervisor's command line, with a value.
const (
	argSockets  = "sockets="  // as many are open, from socketFD on
	argSDNotify = "sdnotify=" // in place of the container's own
)

// serviceArgs and serviceEnv hand a Service to a supervisor, which has the
// sockets from socketFD on.
func serviceArgs(s engine.Service) []string {
	var out []string
	if len(s.Sockets) > 0 {
		out = append(out, argSockets+strconv.Itoa(len(s.Sockets)))
	}
	if s.Mode != nil {
		out = append(out, argSDNotify+s.Mode.String())
	}
	return out
}

func serviceEnv(s engine.Service) []string {
	var out []string
	for name, value := range map[string]string{"NOTIFY_SOCKET": s.Notify, "WATCHDOG_USEC": s.Watchdog, "LISTEN_FDNAMES": s.Names} {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// handedService is what the supervisor's starter has handed over.
func handedService(args []string) (engine.Service, error) {
	s := engine.Service{Notify: take("NOTIFY_SOCKET"), Watchdog: take("WATCHDOG_USEC"), Names: take("LISTEN_FDNAMES")}
	for _, a := range args {
		if count, ok := strings.CutPrefix(a, argSockets); ok {
			n, err := strconv.Atoi(count)
			if err == nil {
				s.Sockets, err = sockets(socketFD, n)
			}
			if err != nil {
				return s, fmt.Errorf("bug: %s: %w", a, err)
			}
		}
		if mode, ok := strings.CutPrefix(a, argSDNotify); ok {
			m, err := spec.ParseSDNotify(mode)
			if err != nil {
				return s, fmt.Errorf("bug: %s: %w", a, err)
			}
			s.Mode = &m
		}
	}
	return s, nil
}

// errOneService means that several containers cannot share what one service was given.
var errOneService = errors.New("sockets (LISTEN_FDS) and readiness (--sdnotify) are for one container")

// keepSockets lets the sockets survive the next exec of this process.
func keepSockets(s engine.Service) error {
	for _, f := range s.Sockets {
		if _, err := sys.Inherit(f); err != nil {
			return err
		}
	}
	return nil
}

// dropSockets takes keepSockets back.
func dropSockets(s engine.Service) (err error) {
	for _, f := range s.Sockets {
		err = errors.Join(err, sys.Disinherit(f))
	}
	return err
}
