package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncFS writes the whole file system that f is on to its disk (syncfs(2)). For
// a tree of many files it costs less than fsync of each.
func SyncFS(f *os.File) error {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "syncfs", Path: f.Name(), Err: err}
	}
	return nil
}
