package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TraceExec stops a child right after its nth execve(2) from now on, before the
// first instruction of the new program, calls look, and lets it go on. The function
// that it returns waits until the child has been let go and says whether look was
// called; it was not if the child ended before.
//
// Nobody may wait for the child until then: the stops of a traced child are told to
// whoever waits (wait(2)). The host may forbid tracing (kernel.yama.ptrace_scope=3: EPERM).
func TraceExec(pid, nth int, look func()) (done func() bool, err error) {
	seized, looked := make(chan error), make(chan bool, 1)
	OnThread(func() bool { // only the thread that traces may let it go on
		_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, unix.PTRACE_O_TRACEEXEC, 0, 0)
		if errno != 0 {
			seized <- os.NewSyscallError("ptrace", errno)
			return true
		}
		seized <- nil
		looked <- traceExec(pid, nth, look)
		return true
	})
	if err := <-seized; err != nil {
		return nil, fmt.Errorf("trace process %d: %w", pid, err)
	}
	return func() bool { return <-looked }, nil
}

// traceExec follows the child on its tracer's thread.
func traceExec(pid, nth int, look func()) bool {
	for {
		stop, ok := nextStop(pid)
		if !ok {
			return false // it has ended; its status is left to its parent
		}
		signal := int(stop.StopSignal())
		switch {
		case stop.TrapCause() == unix.PTRACE_EVENT_EXEC:
			if nth--; nth == 0 {
				look()
				_ = unix.PtraceDetach(pid) // else it has been killed meanwhile
				return true
			}
			signal = 0
		case int(uint32(stop)>>16) == unix.PTRACE_EVENT_STOP: // a stop without a signal to deliver
			signal = 0
		}
		_ = unix.PtraceCont(pid, signal) // as above
	}
}

// nextStop waits for the child's next stop, or for its end, which it leaves to
// others to collect.
func nextStop(pid int) (stop unix.WaitStatus, ok bool) {
	const trapped, stopped = 4, 5 // CLD_TRAPPED, CLD_STOPPED of asm-generic/siginfo.h
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WNOWAIT|unix.WSTOPPED|unix.WEXITED|unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || info.Code != trapped && info.Code != stopped {
			return 0, false
		}
		if _, err := unix.Wait4(pid, &stop, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			return stop, err == nil
		}
	}
}
