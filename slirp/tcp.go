package slirp

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/parent"
	"golang.org/x/sys/unix"
)

// tcpDriver is rootlesskit's.
type tcpDriver struct {
	driver port.ParentDriver
	dir    string
	own    bool // dir is ours to remove
	quit   chan struct{}
	done   chan error
	undo   []func() // what closes the listeners
}

// startTCP brings up both halves of the port driver in this process. They meet
// on a socket in dir, and through a FIFO that says that the socket is there.
func startTCP(ctx context.Context, d *dialer, o Options, log *slog.Logger) (*tcpDriver, error) {
	t := &tcpDriver{dir: o.Dir, quit: make(chan struct{}), done: make(chan error, 2)}
	err := t.makeDir()
	if err != nil {
		return nil, err
	}
	if t.driver, err = parent.NewDriver(logged{log}, t.dir, true); err != nil {
		t.removeFiles()
		return nil, fmt.Errorf("port driver: %w", err)
	}
	ready := make(chan struct{}, 1)
	child := &childDriver{dialer: d, log: log}
	go func() { t.done <- child.RunChildDriver(t.driver.OpaqueForChild(), t.quit, "") }()
	go func() { t.done <- t.driver.RunParentDriver(ready, t.quit, nil) }()
	select {
	case <-ready:
		return t, nil
	case err = <-t.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.close()
	return nil, fmt.Errorf("port driver: %w", err)
}

func (t *tcpDriver) add(ctx context.Context, p Port) error {
	spec := port.Spec{Proto: p.network(), ParentPort: int(p.HostPort), ChildPort: int(p.ContainerPort)}
	if p.HostIP.IsValid() {
		spec.ParentIP = p.HostIP.String()
	}
	st, err := t.driver.AddPort(ctx, spec)
	if err != nil {
		return err
	}
	t.undo = append(t.undo, func() { _ = t.driver.RemovePort(ctx, st.ID) })
	return nil
}

// close closes the listeners and the connections and lets both halves go.
func (t *tcpDriver) close() {
	if t.driver == nil {
		return // no TCP port was asked for
	}
	for _, undo := range t.undo {
		undo()
	}
	close(t.quit)
	// If one half failed, the other may be waiting at the FIFO for it.
	if f, err := os.OpenFile(t.dir+"/.bp-ready.pipe", os.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		f.Close()
	}
	t.removeFiles()
}

func (t *tcpDriver) makeDir() (err error) {
	if t.dir != "" {
		return os.MkdirAll(t.dir, 0o700)
	}
	t.own = true
	t.dir, err = os.MkdirTemp("", "burrow-ports-")
	return err
}

func (t *tcpDriver) removeFiles() {
	for _, name := range []string{"/.bp.sock", "/.bp-ready.pipe"} {
		_ = os.Remove(t.dir + name) // it may not have come to that
	}
	if t.own {
		_ = os.Remove(t.dir)
	}
}
