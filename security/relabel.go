package security

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

const labelAttribute = "security.selinux"

// systemPaths are never relabelled, nor is anything above them: the host would
// not survive it.
var systemPaths = []string{
	"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
	"/run", "/run/user", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/cache", "/var/lib", "/var/log", "/var/spool", "/var/tmp",
}

// systemTrees are never relabelled in any part.
var systemTrees = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr"}

// Relabel gives everything in the volume at source the file label of the
// container: its own (Z), or, if shared, one that every container may use (z).
// home is the user's home directory, which is refused like /usr and /etc are.
//
// The tree may be under a container's control while this runs. Each step is
// made from an open directory, no symbolic link is followed and no mount is
// crossed; an entry that is swapped meanwhile can only be another one of the
// same directory. The root comes last, so that a run that was cut short is
// seen to be incomplete.
func Relabel(source, fileLabel string, shared bool, home string) error {
	label, err := volumeLabel(fileLabel, shared)
	if err != nil || label == "" {
		return err
	}
	f, err := os.OpenFile(source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("relabel volume: %w", err)
	}
	defer func() { _ = f.Close() }()
	target, err := os.Readlink(fdPath(f))
	if err != nil {
		return fmt.Errorf("relabel volume: %w", err)
	}
	if err := relabelAllowed(target, home); err != nil {
		return err
	}
	if err := relabelTree(f, label); err != nil && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("relabel volume %s: %w", source, err)
	}
	return nil
}

// volumeLabel drops the categories of a shared volume's label.
func volumeLabel(fileLabel string, shared bool) (string, error) {
	if fileLabel == "" || !shared {
		return fileLabel, nil
	}
	c, err := parseContext(fileLabel)
	if err != nil {
		return "", err
	}
	c.level = "s0"
	return c.String(), nil
}

// relabelAllowed refuses the system's own directories, and homes as a whole.
func relabelAllowed(target, home string) error {
	above := func(p string) bool { return p == target || strings.HasPrefix(p, strings.TrimSuffix(target, "/")+"/") }
	bad := target == "/" || slices.ContainsFunc(systemPaths, above) || home != "" && above(path.Clean(home))
	for _, tree := range systemTrees {
		bad = bad || strings.HasPrefix(target, tree+"/")
	}
	if dir, _ := path.Split(target); dir == "/home/" || dir == "/run/user/" {
		bad = true
	}
	if !bad {
		return nil
	}
	err := fmt.Errorf("relabel volume %s: it would take the host's own label from it: %w", target, ErrOption)
	return hint.New(err, "mount a directory below it, or leave out :z and :Z and use --security-opt label=disable")
}

// relabelTree labels what f (O_PATH) is, and if it is a directory all below it.
func relabelTree(f *os.File, label string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := relabelEntries(f, label); err != nil {
			return err
		}
	}
	// Following is right here: it is the magic link to what is open.
	if err := setLabel(fdPath(f), label, unix.Getxattr, unix.Setxattr); err != nil {
		return &os.PathError{Op: "set label", Path: f.Name(), Err: err}
	}
	return nil
}

// relabelEntries labels what is in the directory.
func relabelEntries(parent *os.File, label string) error {
	fd, err := unix.Openat(int(parent.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: parent.Name(), Err: err}
	}
	dir := os.NewFile(uintptr(fd), parent.Name())
	defer func() { _ = dir.Close() }()
	for {
		entries, err := dir.ReadDir(1024)
		for _, e := range entries {
			if err := relabelEntry(dir, e, label); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &os.PathError{Op: "read directory", Path: parent.Name(), Err: err}
		}
	}
}

func relabelEntry(dir *os.File, e os.DirEntry, label string) error {
	name := path.Join(dir.Name(), e.Name())
	if e.IsDir() {
		fd, err := unix.Openat2(int(dir.Fd()), e.Name(), &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
		})
		switch {
		case err == nil:
			child := os.NewFile(uintptr(fd), name)
			err = relabelTree(child, label)
			_ = child.Close()
			return err
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOENT):
			return nil // a mount of its own; or gone
		case !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP):
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		// No longer a directory: label it as what it is now.
	}
	err := setLabel(fdPath(dir)+"/"+e.Name(), label, unix.Lgetxattr, unix.Lsetxattr)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "set label", Path: name, Err: err}
	}
	return nil
}

// setLabel writes only where the label differs: most runs find all in place.
func setLabel(
	file, label string,
	get func(string, string, []byte) (int, error),
	set func(string, string, []byte, int) error,
) error {
	have := make([]byte, len(label)+2) // the kernel may count a final NUL
	if n, err := get(file, labelAttribute, have); err == nil && strings.TrimRight(string(have[:n]), "\x00") == label {
		return nil
	}
	return set(file, labelAttribute, []byte(label), 0)
}

func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// LabelFile gives one file that Burrow made for a container, a generated
// /etc/hosts say, the container's file label. It does not follow a symbolic
// link. An empty label, where SELinux is off, does nothing.
func LabelFile(file, label string) error {
	if label == "" {
		return nil
	}
	if err := setLabel(file, label, unix.Lgetxattr, unix.Lsetxattr); err != nil {
		return &os.PathError{Op: "set label", Path: file, Err: err}
	}
	return nil
}
