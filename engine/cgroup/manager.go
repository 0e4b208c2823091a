package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Manager is the user's service manager and how to reach it. The zero value
// says that there is none.
type Manager struct {
	UID        int    // the user's, outside of any namespace
	RuntimeDir string // XDG_RUNTIME_DIR
	BusAddress string // DBUS_SESSION_BUS_ADDRESS, tried after the manager's own socket
}

// timeout bounds what systemd is asked, which may wait for its own disk.
const timeout = 10 * time.Second

// place is a scope of the manager's, which may have yet to be started.
func (m Manager) place(slice string) (Place, error) {
	if m.UID == 0 || m.RuntimeDir == "" && m.BusAddress == "" {
		return Place{}, fmt.Errorf("%s: %w: %w", slice, ErrParent, ErrNoManager)
	}
	dir := m.dir()
	if !owned(dir) {
		return Place{}, fmt.Errorf("%s: %w: %w", slice, ErrParent, ErrNoManager)
	}
	return Place{slice: slice, controllers: words(dir, "cgroup.controllers"), manager: m}, nil
}

// dir is the manager's own cgroup, which is there if and only if it runs.
func (m Manager) dir() string {
	return fmt.Sprintf("%s/user.slice/user-%d.slice/user@%d.service", Root, m.UID, m.UID)
}

// within returns the user's scope if containers can be cloned into it from
// where this process is: the scope is there, the anchor keeps it there, and we are
// in the manager's part of the tree too, as in a desktop session or a service.
// A command that stays must not stay in a scope: that ends with its terminal.
func (m Manager) within(stays bool) (string, bool) {
	dir := path.Join(m.dir(), "app.slice", scopeName) // where systemd puts scopes without a Slice=
	own, err := Of(os.Getpid())
	if err != nil || len(words(path.Join(dir, anchor), "cgroup.procs")) == 0 {
		return "", false
	}
	if unit, ok := upwards(own, isUnit); stays && (!ok || strings.HasSuffix(unit, ".scope")) {
		return "", false
	}
	return dir, owned(dir) && owned(path.Join(Root, common(own, strings.TrimPrefix(dir, Root))))
}

// delegates says whether the unit that owns dir has left it to its processes.
// Unlike the system's, a user's manager does not mark such a cgroup.
func (m Manager) delegates(ctx context.Context, dir string) bool {
	if m.UID == 0 || !strings.HasPrefix(dir, m.dir()+"/") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := m.dial(ctx)
	if err != nil {
		return false
	}
	defer s.conn.Close()
	var yes bool
	return s.property(ctx, path.Base(dir), "Delegate", &yes) == nil && yes
}

// Adopt moves the anchor, or another process that outlives the command, into
// the user's scope, so that it ends with the user's last session and not with
// the one it was started in. Without a service manager it does nothing.
func (m Manager) Adopt(ctx context.Context, pid int) error {
	if !Unified() {
		return nil
	}
	if _, err := m.place(""); err != nil {
		return nil //nolint:nilerr // without a manager there is no session that takes its processes along
	}
	base, err := m.enter(ctx, scopeName, "", pid, anchor)
	if err != nil {
		return err
	}
	if err := mkdir(path.Join(base, supervisor)); err != nil { // for the commands to come
		return err
	}
	return settle(base)
}

// enter puts a process into the cgroup sub of a scope of ours, which is started
// if need be, and returns the scope's own directory.
func (m Manager) enter(ctx context.Context, unit, slice string, pid int, sub string) (string, error) {
	return m.move(ctx, unit, pid, sub, func(ctx context.Context, s *systemd) error {
		return s.enter(ctx, unit, slice, pid, sub)
	})
}

// attach puts a process into the cgroup sub of a unit that runs.
func (m Manager) attach(ctx context.Context, unit string, pid int, sub string) error {
	_, err := m.move(ctx, unit, pid, sub, func(ctx context.Context, s *systemd) error {
		return s.attach(ctx, unit, pid, sub)
	})
	return err
}

// move connects, lets do move the process, and verifies that it has moved.
func (m Manager) move(ctx context.Context, unit string, pid int, sub string, do func(context.Context, *systemd) error) (string, error) {
	if base, ok := below(pid, unit, sub); ok {
		return base, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := m.dial(ctx)
	if err != nil {
		return "", err
	}
	defer s.conn.Close()
	if err := do(ctx, s); err != nil {
		return "", fmt.Errorf("%s: %w", unit, err)
	}
	if base, ok := below(pid, unit, sub); ok {
		return base, nil
	}
	return "", fmt.Errorf("%s: the service manager has not moved process %d there", unit, pid)
}

// below says whether a process is in the cgroup sub of a unit, and where that unit is.
func below(pid int, unit, sub string) (string, bool) {
	at, err := Of(pid)
	if err != nil || path.Base(at) != sub || path.Base(path.Dir(at)) != unit {
		return "", false
	}
	return path.Join(Root, path.Dir(at)), true
}

// systemd is a connection to the manager.
type systemd struct {
	conn    *dbus.Conn
	private bool // its own socket, without a bus between
	signals chan *dbus.Signal
}

// dial connects to the manager's own socket, which saves the way over the bus
// and works where no bus is installed; else over the bus. It authenticates as the
// user of the host: in the anchor, our own UID is another.
func (m Manager) dial(ctx context.Context) (*systemd, error) {
	s, err := m.connect(ctx, "unix:path="+dbus.EscapeBusAddressValue(filepath.Join(m.RuntimeDir, "systemd", "private")))
	if err == nil {
		s.private = true
		if err = s.wake(ctx); err == nil {
			return s, nil
		}
		s.conn.Close()
	}
	address := m.BusAddress
	if address == "" {
		address = "unix:path=" + dbus.EscapeBusAddressValue(filepath.Join(m.RuntimeDir, "bus"))
	}
	s, busErr := m.connect(ctx, address)
	if busErr == nil {
		if busErr = s.conn.Hello(); busErr == nil {
			return s, nil
		}
		s.conn.Close()
	}
	return nil, fmt.Errorf("%w: %w; %w", ErrNoManager, err, busErr)
}

func (m Manager) connect(ctx context.Context, address string) (*systemd, error) {
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(m.UID))}); err != nil {
		conn.Close()
		return nil, err
	}
	s := &systemd{conn: conn, signals: make(chan *dbus.Signal, 16)}
	conn.Signal(s.signals)
	return s, nil
}

// wake makes sure that the manager listens. A message that it reads together
// with the end of the authentication stays in its buffer until another arrives
// (seen with systemd 252, one time in three); so we knock until it answers.
func (s *systemd) wake(ctx context.Context) error {
	const tries = 500
	answered := make(chan *dbus.Call, tries)
	for range tries {
		s.conn.Object(busName, object).GoWithContext(ctx, "org.freedesktop.DBus.Peer.Ping", 0, answered)
		select {
		case call := <-answered:
			return call.Err
		case <-time.After(2 * time.Millisecond):
		}
	}
	return errors.New("the service manager does not answer on its own socket")
}

const (
	busName = "org.freedesktop.systemd1"
	object  = "/org/freedesktop/systemd1"
	methods = busName + ".Manager."
)

func (s *systemd) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return s.conn.Object(busName, object).CallWithContext(ctx, methods+method, 0, args...)
}
