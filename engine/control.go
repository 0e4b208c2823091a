package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// ErrNotRunning means that the container has no process to talk to.
var ErrNotRunning = errors.New("container is not running")

// pollProcess is how often a process is looked at that is not our child and
// that a pidfd cannot be waited for together with a record.
const pollProcess = 5 * time.Millisecond

// Signal sends sig to a container's first process.
func Signal(d paths.Dirs, ref string, sig syscall.Signal) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return rec, err
	}
	if err := rec.signal(sig); err != nil {
		return rec, err
	}
	noteDone(d, rec, audit.Kill)
	return rec, nil
}

// signal goes through a pidfd, so that it cannot reach another process that
// has the pid by now.
func (r Record) signal(sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) || err == nil && !r.Running() {
		if err == nil {
			unix.Close(fd)
		}
		return hint.New(fmt.Errorf("%s: %w", r.Name, ErrNotRunning), "burrow start "+r.Name)
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return nil
}

// Stop asks a container to end and kills it if it has not after the timeout. One
// that is just starting is stopped as soon as it runs; if it does not run in that
// time either, the start ends. A container that does not run is none the worse for
// it. It returns when the exit status is recorded and, but for a moment at most, when
// its supervisor has ended.
func Stop(ctx context.Context, d paths.Dirs, ref string, timeout time.Duration) (Record, error) {
	return StopBy(ctx, d, ref, timeout, 0)
}

// StopBy is Stop with another signal than the container's own to ask by; 0: its own.
func StopBy(ctx context.Context, d paths.Dirs, ref string, timeout time.Duration, by syscall.Signal) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return rec, err
	}
	begin := time.Now()
	for {
		if rec.Running() {
			if by != 0 {
				rec.Spec.Stop.Signal = by
			}
			return rec.stopRunning(ctx, d, timeout)
		}
		now, resting, err := rec.leaveAtRest(d)
		if err != nil || resting {
			return now, err
		}
		waited := time.Since(begin)
		switch {
		case now.starting():
			now.markStopped() // in case it is over before we look again
			if waited > max(timeout, claimPatience) {
				if err := now.kill(ctx); err != nil {
					return now, err
				}
			}
		case !now.Running() && waited > claimPatience:
			return now, nil // somebody has it in hand, but not to start it
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(pollProcess):
		}
		rec = now.refreshed()
	}
}

// leaveAtRest sees to it that a container that nobody works for stays as it is,
// and says whether that is so. Who starts a container claims it first.
func (r Record) leaveAtRest(d paths.Dirs) (now Record, resting bool, err error) {
	hold, err := claim(r.dir)
	if errors.Is(err, os.ErrNotExist) {
		r.Exited = true // removed: --rm
		return r, true, nil
	}
	if errors.Is(err, errClaimed) {
		return r.refreshed(), false, nil
	}
	if err != nil {
		return r, false, err
	}
	defer hold.Close()
	now = r.refreshed()
	if now.Running() || now.starting() { // whoever made it hands it over to its supervisor
		return now, false, nil
	}
	if now.Owner.Alive() {
		now.markStopped() // it has ended and is about to start again
		return now, true, nil
	}
	if now.PID != 0 && !now.Exited {
		now, err = now.settleClaimed(d)
	}
	return now, true, err
}

// markStopped does what it can: a disk that is full or read-only must not keep a
// container running.
func (r Record) markStopped() { _ = os.WriteFile(r.stoppedMark(), nil, 0o600) }

func (r Record) stopRunning(ctx context.Context, d paths.Dirs, timeout time.Duration) (Record, error) {
	r.markStopped()
	if err := r.end(ctx, timeout); err != nil {
		return r, err
	}
	now, err := Settle(ctx, d, r)
	if err == nil && now.Exited {
		// Its ports are free then. And systemd kills what still runs when ExecStop= is
		// over, and calls the unit failed.
		now.awaitOwner(ctx)
	}
	return now, err
}

// end asks a running container to end, and kills it if it has not after the timeout.
func (r Record) end(ctx context.Context, timeout time.Duration) error {
	by := r.stopSignal()
	if r.Initialized {
		by = syscall.SIGKILL // there is no payload that could take its leave
	}
	if err := r.signal(by); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	if r.gone(ctx, timeout) {
		return nil
	}
	if err := r.signal(syscall.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	if !r.gone(ctx, killPatience) {
		return fmt.Errorf("stop %s: SIGKILL did not end it within %s", r.Name, killPatience)
	}
	return nil
}

// stoppedMark is there if the container was stopped by its user and shall not
// start again by itself. It is a file of its own, for the record has one writer.
func (r Record) stoppedMark() string { return filepath.Join(r.dir, "stopped") }

func (r Record) stopped() bool {
	_, err := os.Lstat(r.stoppedMark())
	return err == nil
}

// errStopped means that a container which would start again was stopped.
var errStopped = errors.New("it was stopped meanwhile")

// killPatience is how long the kernel gets to end a killed container: much
// memory and many processes take their time.
const killPatience = 15 * time.Second

func (r Record) stopSignal() syscall.Signal {
	if r.Spec.Stop.Signal != 0 {
		return r.Spec.Stop.Signal
	}
	if sig, err := spec.ParseSignal(r.StopSignal); err == nil { // systemd's is SIGRTMIN+3
		return sig
	}
	return syscall.SIGTERM
}

// gone waits until the container's first process has ended.
func (r Record) gone(ctx context.Context, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for r.Running() {
		left := time.Until(deadline)
		if left <= 0 || waitProcess(ctx, r.PID, left) != nil {
			return false
		}
	}
	return true
}

// Settle returns the record of a container whose process has ended once its
// supervisor has written how. If the supervisor is gone too, nobody knows the
// status; that is written then, and the container stays manageable.
func Settle(ctx context.Context, d paths.Dirs, rec Record) (Record, error) {
	dir := filepath.Join(d.Containers(), rec.ID)
	for {
		now, err := LoadRecord(dir)
		if errors.Is(err, os.ErrNotExist) {
			rec.awaitOwner(ctx)
			rec.Exited = true // removed: --rm
			return rec, nil
		}
		if err != nil {
			return rec, err
		}
		if now.Exited || now.Start != rec.Start {
			return now, nil
		}
		if !now.Owner.Alive() {
			hold, err := claim(dir)
			if err == nil {
				defer hold.Close()
				if again := now.refreshed(); again.Exited || again.Start != rec.Start {
					return again, nil
				}
				return now.settleClaimed(d)
			}
			if !errors.Is(err, errClaimed) && !errors.Is(err, os.ErrNotExist) {
				return now, err
			}
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(pollProcess):
		}
	}
}

// settleClaimed notes that nobody knows how the container has ended. The caller has
// claimed it: the record has one writer. Where nothing can be written, who looks
// next finds it out again.
func (r Record) settleClaimed(d paths.Dirs) (Record, error) {
	settleExecs(d, r, true)
	_ = settleTrail(d, r, true)
	r.Exited, r.ExitCode, r.Finished = true, exitUnknown, time.Now().UTC()
	r.Error = "supervisor was killed: exit status unknown"
	_ = os.Remove(attachSocket(r.where(d), r.ID))
	err := saveRecord(r.dir, r)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EDQUOT) {
		err = nil
	}
	return r, err
}

// exitUnknown stands for a status that nobody has seen.
const exitUnknown = 255

// Wait returns when the container is not running any more.
func Wait(ctx context.Context, d paths.Dirs, ref string) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return rec, err
	}
	if rec.PID == 0 || rec.Exited {
		return rec, nil
	}
	for rec.Running() {
		if err := waitProcess(ctx, rec.PID, time.Second); err != nil {
			return rec, err
		}
	}
	return Settle(ctx, d, rec)
}

// waitProcess blocks until the process ends, for most or a tenth of a second.
func waitProcess(ctx context.Context, pid int, most time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(min(most, 100*time.Millisecond).Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("poll", err)
	}
	return nil
}
