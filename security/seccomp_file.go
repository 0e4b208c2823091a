package security

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

const (
	maxProfile  = 1 << 20
	overflowUID = 65534
)

// readProfile reads a user-supplied profile, and refuses one that somebody else
// could have written.
func readProfile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, &os.PathError{Op: "open", Path: path, Err: err})
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	if err := trusted(f, &st); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return nil, fmt.Errorf("read seccomp profile: %w", err)
	}
	if len(data) > maxProfile {
		return nil, fmt.Errorf("seccomp profile %s is larger than 1 MiB: %w", path, ErrProfile)
	}
	return data, nil
}

// trusted checks type, mode and owner. The owner must be the user or the host's
// root. Inside the anchor the host's root has no number: its files look like
// everybody else's unmapped ones. There, only what lies in /etc or /usr counts
// as root's.
func trusted(f *os.File, st *unix.Stat_t) error {
	path := f.Name()
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("seccomp profile %s is not a regular file: %w", path, ErrProfile)
	}
	if st.Mode&0o002 != 0 {
		return hint.New(fmt.Errorf("seccomp profile %s is writable by everybody: %w", path, ErrProfile), "chmod o-w "+path)
	}
	if st.Mode&0o020 != 0 && st.Gid != uint32(os.Getegid()) {
		return hint.New(fmt.Errorf("seccomp profile %s is writable by group %d: %w", path, st.Gid, ErrProfile), "chmod g-w "+path)
	}
	if st.Uid == uint32(os.Geteuid()) || st.Uid == 0 {
		return nil
	}
	if st.Uid == overflowUID {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err == nil && (strings.HasPrefix(target, "/etc/") || strings.HasPrefix(target, "/usr/")) {
			return nil
		}
	}
	return hint.New(fmt.Errorf("seccomp profile %s belongs to another user: %w", path, ErrProfile),
		"copy it to a file of your own")
}
