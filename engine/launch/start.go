package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// Container is a started container whose payload may still be held back.
type Container struct {
	lc      *libcontainer.Container // nil where an earlier program of this process has started it
	process process
	status  *os.File // the gate's report
	path    string
	joined  bool // a further process of somebody else's container
	ended   func() (syscall.WaitStatus, error)
	// Console is the master end of the terminal, nil without one. Owned by the caller.
	Console *os.File
}

// process is the container's first process, or a further one, as libcontainer has it.
type process interface {
	Pid() (int, error)
	Signal(os.Signal) error
	Wait() (*os.ProcessState, error)
}

// Create builds the container up to the point where only the payload's exec is
// missing. filter is what the gate loads, nil for none. The caller must call Exec or Destroy. The calling goroutine must be
// locked to the main thread if DieWithParent is set: the parent of PR_SET_PDEATHSIG
// is a thread, and only the main thread lives as long as the process.
func Create(ctx context.Context, c Config, filter *security.Program) (_ *Container, err error) {
	config, err := lcConfig(c)
	if err != nil {
		return nil, err
	}
	var g guard
	if c.Namespaces.User.Path != "" { // another container's, whose root is ours
		g = guardOf(c.Policy, filter)
	}
	program, err := encodeGate(c, filter, g)
	if err != nil {
		return nil, err
	}
	programFD, err := programFile(program, c.ID)
	if err != nil {
		return nil, err
	}
	defer programFD.Close()
	status, statusChild, err := newStatus()
	if err != nil {
		return nil, err
	}
	defer statusChild.Close()

	out := &Container{status: status, path: c.Args[c.InitArgs]}
	defer func() {
		if err != nil {
			status.Close()
		}
	}()
	if out.lc, err = libcontainer.Create(c.StateDir, c.ID, config); err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	// Not earlier: libcontainer's list of namespaced settings, which Create checks
	// against, does not know that user.* belongs to the user namespace.
	if n := c.Policy.MaxUserNamespaces; n != nil && !c.Namespaces.User.Host && c.Namespaces.User.Path == "" {
		config.Sysctl["user.max_user_namespaces"] = strconv.Itoa(*n)
	}
	p := newProcess(c, programFD, statusChild)
	p.Capabilities = lcCapabilities(c.Policy)
	g.add(p.Capabilities)
	return out, out.startProcess(ctx, c, p)
}

// startProcess starts libcontainer's side of the process and takes its terminal.
func (c *Container) startProcess(ctx context.Context, config Config, p *libcontainer.Process) error {
	c.process, c.ended = p, sync.OnceValues(c.reap)
	var console *consolePair
	if config.TTY {
		var err error
		if console, err = newConsolePair(); err != nil {
			return err
		}
		defer console.close()
		p.ConsoleSocket = console.child
		p.Stdin, p.Stdout, p.Stderr = nil, nil, nil
		p.ConsoleWidth, p.ConsoleHeight = config.Width, config.Height
	}
	if err := c.lc.Start(p); err != nil {
		return initError(err)
	}
	if console == nil {
		return nil
	}
	var err error
	if c.Console, err = console.receive(ctx); err != nil {
		c.Destroy()
	}
	return err
}

func newProcess(c Config, program, status *os.File) *libcontainer.Process {
	extra := make([]*os.File, 0, len(c.PreserveFDs)+3)
	for _, f := range c.PreserveFDs {
		if f == nil {
			f = program // fills the gap; the gate closes every copy of it
		}
		extra = append(extra, f)
	}
	extra = append(extra, program, status)
	if c.Cgroup != nil {
		extra = append(extra, c.Cgroup) // the last: that is where born.c looks for it
	}
	first := 3 + len(c.PreserveFDs)
	gate := "gate:" + strconv.Itoa(first) + ":" + strconv.Itoa(first+1)
	p := &libcontainer.Process{
		Args: []string{"/proc/self/exe", gate},
		// The payload's own is in the gate's program. Without HOME libcontainer
		// would read the image's passwd, however long that is.
		Env:        []string{"HOME=/"},
		UID:        int(c.UID),
		GID:        int(c.GID),
		Cwd:        c.Cwd,
		Stdin:      c.Stdin,
		Stdout:     c.Stdout,
		Stderr:     c.Stderr,
		ExtraFiles: extra,
		Init:       true,
	}
	for _, g := range c.Groups {
		p.AdditionalGroups = append(p.AdditionalGroups, int(g))
	}
	return p
}

// PID is the container's first process as this pid namespace sees it.
func (c *Container) PID() int {
	pid, err := c.process.Pid()
	if err != nil {
		return 0
	}
	return pid
}

// Exec lets the payload run. It returns an *ExecError if that failed. A process
// that somebody has killed before it could become the payload is no failure of
// ours: Wait says how it ended, as of any other.
func (c *Container) Exec() error {
	defer c.status.Close()
	if !c.joined {
		if err := c.lc.Exec(); err != nil {
			if c.killed() {
				return nil
			}
			return fmt.Errorf("release container: %w", err)
		}
	}
	err := readGate(c.status, c.path)
	if errors.Is(err, ErrInit) && c.killed() {
		return nil
	}
	return err
}

// killed says whether the process has ended because somebody wanted it to: it got
// SIGKILL, or one of the signals that nsjoin.EndBySignals is about.
func (c *Container) killed() bool {
	fd, err := unix.PidfdOpen(c.PID(), 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// It closes its files before it is a zombie.
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000); n == 0 || err != nil {
		return false // it lives: something else is wrong
	}
	status, err := c.ended()
	return err == nil && (status.Signaled() && status.Signal() == syscall.SIGKILL || status.Exited() && status.ExitStatus() > exitSignal && status.ExitStatus() < 255)
}

// exitSignal plus its number is the exit code of a process that a signal ended,
// as shells have it. libcontainer's own codes are lower, but for 255.
const exitSignal = 128

// Signal sends sig to the container's first process.
func (c *Container) Signal(sig syscall.Signal) error { return c.process.Signal(sig) }

// Kill ends the container, or of a further process all that are in its process
// group: it leads one, as libcontainer starts it in a session of its own. The
// caller has not returned from Wait, so the number is still that group's.
func (c *Container) Kill() {
	if pid := c.PID(); c.joined && pid > 1 && c.process.Signal(syscall.Signal(0)) == nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	_ = c.process.Signal(syscall.SIGKILL)
}

// Wait returns the wait status of the container's first process.
func (c *Container) Wait() (syscall.WaitStatus, error) { return c.ended() }

func (c *Container) reap() (syscall.WaitStatus, error) {
	state, err := c.process.Wait()
	var exit interface{ ExitCode() int }
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for container: %w", err)
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, errors.New("bug: wait status of unknown type")
	}
	return ws, nil
}

// Joined says that it is a further process of a container, not its first.
func (c *Container) Joined() bool { return c.joined }

// Destroy kills what is left of the container. Its state directory dies with
// the mount it is in.
func (c *Container) Destroy() {
	_ = c.process.Signal(syscall.SIGKILL)
	_, _ = c.ended()
	switch {
	case c.joined:
	case c.lc != nil:
		_ = c.lc.Destroy()
	default:
		_ = sys.RemoveTree(c.path) // what else it does is for cgroups and hooks that there are not
	}
}

// initError takes libcontainer's own preamble off: what follows names the
// operation and the path. Only the text changes; nothing is decided by it.
func initError(err error) error {
	text := err.Error()
	for _, preamble := range []string{"error during container init: ", "unable to start container process: "} {
		if _, rest, found := strings.Cut(text, preamble); found {
			text = rest
			break
		}
	}
	if rest, ok := strings.CutPrefix(text, "chdir to cwd ("); ok { // it names a file of its own that nobody has
		return &StartError{text: "working directory " + strings.Replace(rest, ") set in config.json failed", "", 1), err: err}
	}
	return &StartError{text: "start container: " + text, err: err}
}

// StartError says that libcontainer could not build the container.
type StartError struct {
	text string
	err  error
}

func (e *StartError) Error() string { return e.text }
func (e *StartError) Unwrap() error { return e.err }
