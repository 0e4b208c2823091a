package slirp

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// away runs fn on a borrowed thread in the network namespace that enter moves
// it to, and brings the thread back before anything else can run on it. Where
// the way back is barred, as in the anchor, which has no rights over the host's
// network namespace, the thread is lost: that costs less than any way around.
func away(enter, fn func() error) error {
	done := make(chan error, 1)
	sys.OnThread(func() bool {
		home, err := sys.ThreadNetns()
		if err != nil {
			done <- err
			return true
		}
		defer home.Close()
		if err := enter(); err != nil {
			done <- err
			return true
		}
		err = fn()
		back := sys.JoinNetns(home)
		if errors.Is(back, unix.EPERM) {
			done <- err
			return false
		}
		done <- errors.Join(err, back)
		return back == nil
	})
	return <-done
}

// inNetns runs fn on a thread in the network namespace ns.
func inNetns(ns *os.File, fn func() error) error {
	return away(func() error { return sys.JoinNetns(ns) }, fn)
}
