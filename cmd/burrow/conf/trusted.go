package conf

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

// ErrUntrusted means that somebody else could have written a file: it can have mounts,
// devices and profiles for every container that is made.
var ErrUntrusted = errors.New("somebody else could have written it")

// overflowUID is what an owner shows as who has no number in the anchor.
const overflowUID = 65534

// trusted checks who can write an open file, as package security does for profiles: it
// must be the user's or the host's root's. Inside the anchor root has no number; there, only what
// lies in /etc or /usr counts as root's. What is no file, such as /dev/null or a pipe, the caller has named.
func trusted(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	switch {
	case st.Mode&0o002 != 0:
		return hint.New(fmt.Errorf("%w: it is writable by everybody", ErrUntrusted), "chmod o-w "+f.Name())
	case st.Mode&0o020 != 0 && st.Gid != uint32(os.Getegid()):
		return hint.New(fmt.Errorf("%w: it is writable by group %d", ErrUntrusted, st.Gid), "chmod g-w "+f.Name())
	case st.Uid == uint32(os.Geteuid()), st.Uid == 0:
		return nil
	case st.Uid == overflowUID:
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err == nil && (strings.HasPrefix(target, "/etc/") || strings.HasPrefix(target, "/usr/")) {
			return nil
		}
	}
	return hint.New(fmt.Errorf("%w: it belongs to another user", ErrUntrusted), "copy it to a file of your own")
}
