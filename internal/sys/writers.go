package sys

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ForeignError means that somebody else than the user and the host's root could have
// written a file that decides what the user's containers may do.
type ForeignError struct {
	Path, Why string
	Advice    string // a command or sentence that helps
}

func (e *ForeignError) Error() string { return "somebody else could have written it: " + e.Why }

// overflowUID is what an owner shows as who has no number in our user namespace.
const overflowUID = 65534

// CheckWriters returns a *ForeignError if others than the user and the host's root may
// write to an open file or own it. Inside the anchor root has no number: its files look like everybody's
// else. There, only what lies in /etc or /usr counts as root's. What is no regular file,
// such as /dev/null or a pipe, passes: only the caller can have named it.
func CheckWriters(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	switch {
	case st.Mode&0o002 != 0:
		return &ForeignError{f.Name(), "it is writable by everybody", "chmod o-w " + f.Name()}
	case st.Mode&0o020 != 0 && st.Gid != uint32(os.Getegid()):
		return &ForeignError{f.Name(), fmt.Sprintf("it is writable by group %d", st.Gid), "chmod g-w " + f.Name()}
	case st.Uid == uint32(os.Geteuid()), st.Uid == 0:
		return nil
	case st.Uid == overflowUID:
		// Where a link in /etc leads, root has decided too.
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err == nil && (rootsOwn(target) || rootsOwn(filepath.Clean(f.Name()))) {
			return nil
		}
	}
	return &ForeignError{f.Name(), "it belongs to another user", "copy it to a file of your own"}
}

func rootsOwn(path string) bool {
	return strings.HasPrefix(path, "/etc/") || strings.HasPrefix(path, "/usr/")
}
