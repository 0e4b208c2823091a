package sys

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread runs fn on a thread that nothing else uses and that is not the main
// one: the runtime cannot discard the main thread, and /proc/self is its view.
// fn says if the thread is as it was; if not, it is thrown away.
func OnThread(fn func() (clean bool)) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			if fn() {
				runtime.UnlockOSThread()
			}
			return
		}
		// Keep the main thread busy until another one has been found.
		found := make(chan struct{})
		OnThread(func() bool {
			close(found)
			return fn()
		})
		<-found
		runtime.UnlockOSThread()
	}()
}
