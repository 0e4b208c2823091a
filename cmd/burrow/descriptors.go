package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fewDescriptors is how many files a command must be able to open to get as far as
// saying what is wrong: two are the runtime's poller, which ends the process with a
// list of goroutines if it cannot have them.
const fewDescriptors = 4

// checkDescriptors starts the runtime's poller while it is known that it can.
func checkDescriptors() error {
	opened := make([]int, 0, fewDescriptors)
	var err error
	for range fewDescriptors {
		var fd int
		if fd, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			break
		}
		opened = append(opened, fd)
	}
	for _, fd := range opened {
		_ = unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	r.Close()
	w.Close()
	return nil
}
