package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/notify"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// Service is what the service manager that has started this process as a service
// has handed over. The zero value: nothing, or there is none.
type Service struct {
	Notify   string // NOTIFY_SOCKET
	Watchdog string // WATCHDOG_USEC, a number
	// Sockets are those of socket activation, sd_listen_fds(3). They become
	// descriptors 3, 4, … of the payload. Owned by the caller.
	Sockets []*os.File
	Names   string // LISTEN_FDNAMES: as many as there are sockets, with ':' between; or ""
	// Mode is used in place of the container's own --sdnotify; nil: that.
	Mode *spec.SDNotify
}

// The socket that the payload speaks to. Podman has it there too.
const (
	notifyDir  = "/run/notify"
	notifyName = "notify.sock"
)

// sdnotify says who tells the manager; ignore where there is none.
func (r *run) sdnotify() spec.SDNotify {
	switch s := r.opts.Service; {
	case s.Notify == "":
		return spec.SDNotifyIgnore
	case s.Mode != nil:
		return *s.Mode
	}
	return r.spec.SDNotify
}

// connectService prepares what the payload has to do with the service manager.
func (r *run) connectService() error {
	if err := r.notifySocket(); err != nil {
		return err
	}
	return r.handSockets()
}

// notifySocket gives the payload a socket of its own in place of the manager's.
func (r *run) notifySocket() error {
	how := r.sdnotify()
	if how == spec.SDNotifyIgnore {
		return nil
	}
	var err error
	if r.manager, err = notify.NewManager(r.opts.Service.Notify); err != nil {
		return hint.New(err, "--sdnotify=ignore")
	}
	if how == spec.SDNotifyHealthy {
		if _, checked := r.healthConfig(); !checked {
			return hint.New(errors.New("--sdnotify=healthy: the container has no health check"), "--health-cmd COMMAND")
		}
	}
	if how != spec.SDNotifyContainer {
		return nil
	}
	if slices.ContainsFunc(r.spec.Mounts, func(m spec.Mount) bool { return m.Dest == notifyDir }) {
		return fmt.Errorf("mount: destination %s is where the payload notifies the service manager", notifyDir)
	}
	dir := r.scaffold.path("notify")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	err = security.WithSocketLabel(r.policy.SELinux.ProcessLabel, func() (err error) {
		r.proxy, err = notify.Listen(r.scaffold.path("notify", notifyName))
		return err
	})
	if r.proxy != nil {
		r.later(r.proxy.Close)
	}
	if err != nil {
		return err
	}
	r.config.Mounts = append(r.config.Mounts, launch.Mount{
		Type: "bind", Source: dir, Dest: notifyDir, Flags: sys.MountBind | sys.MountReadOnly | safe,
	})
	r.setEnv("NOTIFY_SOCKET", notifyDir+"/"+notifyName)
	if w := r.opts.Service.Watchdog; w != "" {
		r.setEnv("WATCHDOG_USEC", w) // without WATCHDOG_PID it is for whoever reads it
	}
	return nil
}

// ErrListenInit means that sockets cannot be handed to a payload under an init:
// sd_listen_fds(3) wants the pid that it will have.
var ErrListenInit = errors.New("sockets (LISTEN_FDS) cannot be handed through --init: the command's pid, which LISTEN_PID has to name, is not known before")

// handSockets hands the payload the sockets that it is activated by.
func (r *run) handSockets() error {
	s := r.opts.Service
	switch {
	case len(s.Sockets) == 0:
		return nil
	case r.spec.Process.Init:
		return hint.New(ErrListenInit, "leave out --init")
	}
	r.config.PreserveFDs = s.Sockets
	r.config.ListenPID = true // the gate knows it
	r.setEnv("LISTEN_PID", "")
	r.setEnv("LISTEN_FDS", strconv.Itoa(len(s.Sockets)))
	if s.Names != "" {
		r.setEnv("LISTEN_FDNAMES", s.Names)
	}
	return nil
}

func (r *run) setEnv(name, value string) {
	r.config.Env = spec.Env{Set: []string{name + "=" + value}}.Apply(r.config.Env)
}

// tellMain says which process the manager has to watch: this one, whose exit
// code is the payload's. It comes before the payload can say anything.
func (r *run) tellMain() {
	if r.manager == nil {
		return
	}
	r.tell(mainPID())
	if r.proxy != nil {
		r.proxy.Start(os.Getpid(), r.manager.Send)
	}
}

// tellReady says that the payload runs, unless it says itself when it is ready,
// or a health check does.
func (r *run) tellReady() {
	if r.readyByStart() {
		r.tell("READY=1\n" + mainPID())
	}
}

func (r *run) readyByStart() bool { return r.manager != nil && r.sdnotify() == spec.SDNotifyConmon }

// tellHealthy says that the payload is ready if that depends on its health.
func (r *run) tellHealthy() {
	if r.manager != nil && r.sdnotify() == spec.SDNotifyHealthy {
		r.tell("READY=1\n" + mainPID())
	}
}

func mainPID() string { return "MAINPID=" + strconv.Itoa(os.Getpid()) }

func (r *run) tell(state string) {
	if err := r.manager.Send(state); err != nil {
		r.warn("%v", err)
	}
}
