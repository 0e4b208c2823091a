package userns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Anchor identifies the process that keeps the namespaces alive. A pid alone
// is never enough: the start time tells whether it was used again.
type Anchor struct {
	PID   int
	Start uint64 // clock ticks after boot, field 22 of /proc/PID/stat
}

// alive says whether the anchor can be joined. A process that ends loses its
// namespaces some time before it is a zombie; nsjoin/enter.c has the same rule.
func (a Anchor) alive() bool {
	_, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(a.PID), "ns/mnt"))
	return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) &&
		sys.ProcID{PID: a.PID, Start: a.Start}.Alive()
}

// pidfile is also known to nsjoin/enter.c.
const pidfile = "anchor"

// Find returns the live anchor recorded in the run directory, or ErrNoAnchor.
func Find(run string) (Anchor, error) {
	if err := checkRun(run); err != nil {
		return Anchor{}, err
	}
	b, err := os.ReadFile(filepath.Join(run, pidfile))
	if errors.Is(err, os.ErrNotExist) {
		return Anchor{}, ErrNoAnchor
	}
	if err != nil {
		return Anchor{}, err
	}
	var a Anchor
	if _, err := fmt.Sscanf(string(b), "%d %d", &a.PID, &a.Start); err != nil || a.PID <= 1 || a.Start == 0 {
		return Anchor{}, ErrNoAnchor // damaged: made again
	}
	if !a.alive() {
		return Anchor{}, ErrNoAnchor
	}
	return a, nil
}

// checkRun refuses a run directory in which somebody else could put a pidfile:
// /tmp, where it may have to be, belongs to all. nsjoin/enter.c has the same rule.
func checkRun(run string) error {
	var st unix.Stat_t
	err := unix.Lstat(run, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return ErrNoAnchor
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRunDir, &os.PathError{Op: "lstat", Path: run, Err: err})
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return notOurs(run, "is not a directory")
	case os.Geteuid() != 0 && int(st.Uid) != os.Geteuid(): // root's belongs to its first sub-ID
		return notOurs(run, fmt.Sprintf("belongs to UID %d", st.Uid))
	case st.Mode&0o022 != 0:
		return notOurs(run, fmt.Sprintf("can be written by others (mode %04o)", st.Mode&0o7777))
	}
	return nil
}

func notOurs(run, why string) error {
	return hint.New(fmt.Errorf("%w: %s %s", ErrRunDir, run, why),
		"mkdir -m 0700 ~/.burrow-run; export XDG_RUNTIME_DIR=~/.burrow-run")
}

// Stop ends the anchor. Containers that run keep their namespaces; new
// commands make a new anchor.
func Stop(ctx context.Context, run string) error {
	if _, err := Find(run); err != nil {
		return err
	}
	lock, err := lockRun(ctx, run) // or the pidfile that is removed is already that of the next one
	if err != nil {
		return err
	}
	defer lock.Close()
	a, err := Find(run)
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(a.PID, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !a.alive() {
		return ErrNoAnchor // the pid is another process by now
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return os.Remove(filepath.Join(run, pidfile))
}

// lockRun serialises the making of the anchor among a user's commands.
func lockRun(ctx context.Context, run string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(run, "anchor.lock"), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRunDir, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another command making the anchor: %w", ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}
