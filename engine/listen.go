package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

// maxSocketName is the longest name that a socket can have (unix(7)).
const maxSocketName = 107

// acceptPause is how long a socket waits where a connection could not be taken.
const acceptPause = 100 * time.Millisecond

// listenOwn hands connections of the same user to serve, one after the other.
func listenOwn(path string, serve func(net.Conn)) (stop func(), err error) {
	l, err := openOwn(path)
	if err != nil {
		return nil, err
	}
	go serveOwn(l, serve)
	return func() { l.Close() }, nil
}

// openOwn lets connections come that serveOwn takes. Closing it removes the socket.
func openOwn(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil && len(path) > maxSocketName {
		return nil, hint.New(fmt.Errorf("socket: %s: the name is longer than %d bytes", path, maxSocketName), "set XDG_RUNTIME_DIR to a directory with a shorter name")
	}
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// serveOwn returns when l is closed. Only processes of the same user are let in: the
// directory's mode says so, and SO_PEERCRED once more.
func serveOwn(l *net.UnixListener, serve func(net.Conn)) {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptor is left, for now
			time.Sleep(acceptPause)
			continue
		}
		if !sameUser(conn) {
			conn.Close()
			continue
		}
		serve(conn)
	}
}

func sameUser(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return err == nil && credErr == nil && int(cred.Uid) == os.Geteuid()
}
