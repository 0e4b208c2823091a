package main

import (
	"context"
	endian "encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/internal/stage"
)

// starter starts the checks of one container, in a process that C code serves before Go starts
// (userns/nsjoin/checks.c): the process that waits for the container gives up the right to
// execute anything, whatever health check an image has.
type starter struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// startChecks is engine.Options.StartChecks.
func startChecks(id string) (probe func(context.Context, health.Check) health.Result, stop func(), err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "starter of checks"), os.NewFile(uintptr(fds[1]), "asker")
	defer ours.Close()
	defer theirs.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("bug: socketpair of another kind"), c.Close())
	}
	as := stage.Check
	if asRoot() {
		as = stage.RootCheck
	}
	cmd := exec.Command("/proc/self/exe", id) //nolint:noctx // it ends with the socket
	cmd.Args[0] = "burrow-checks"
	cmd.Env = append(withoutStage(os.Environ()), stage.Env(as, "")) // it is for the checks
	cmd.Stdin = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what is typed at our terminal is not for it
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("start health checks: %w", err)
	}
	s := &starter{conn: conn}
	stop = func() {
		conn.Close()
		_ = cmd.Process.Kill() // it has ended by itself, or is about to
		_ = cmd.Wait()         // not before: waiting would cost a thread
	}
	return s.probe, stop, nil
}

// checkProcess is a check that runs.
type checkProcess struct{ *os.File } // a pidfd

var errStarter = errors.New("what starts health checks is gone")

// start starts a check with these standard streams.
func (s *starter) start(in, out *os.File) (*checkProcess, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, _, err := s.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(in.Fd()), int(out.Fd())), nil); err != nil {
		return nil, fmt.Errorf("%w: %w", errStarter, err)
	}
	var answer [4]byte // struct checks_answer
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := s.conn.ReadMsgUnix(answer[:], oob)
	if err != nil || n != len(answer) {
		return nil, errors.Join(errStarter, err)
	}
	if errno := endian.NativeEndian.Uint32(answer[:]); errno != 0 {
		return nil, syscall.Errno(errno)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("bug: a check without its process"), err)
	}
	pidfds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(pidfds) != 1 {
		return nil, errors.Join(errors.New("bug: a check without its process"), err)
	}
	return &checkProcess{os.NewFile(uintptr(pidfds[0]), "check")}, nil
}

func (p *checkProcess) kill() {
	_ = unix.PidfdSendSignal(int(p.Fd()), unix.SIGKILL, nil, 0) // it may have ended
}

// wait returns when the process has ended.
func (p *checkProcess) wait() error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.Fd()), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}
