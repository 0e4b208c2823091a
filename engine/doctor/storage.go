package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/probe"
)

// Free space below which a container cannot keep its records, and below which
// an image of common size does not fit.
const (
	noSpace     = 16 << 20
	littleSpace = 1 << 30
	noInodes    = 256
	fewInodes   = 20000
)

// checkDirs looks at the file systems that hold images and records. Where both
// are on one, it is looked at once.
func checkDirs(_ context.Context, h *host) []Finding {
	found := h.dir("images", h.Dirs.Data)
	if other := h.dir("records", h.Dirs.State); len(other) > 0 && other[0].Status != found[0].Status {
		found = append(found, other...)
	}
	return found
}

// nearest returns dir, or the closest directory above it that exists. Root's
// own directories belong to its first sub-ID, in whose name nothing can be
// tried from here; so for root it is the closest one that is root's.
func (h *host) nearest(dir string) string {
	for {
		st, err := os.Stat(dir)
		if err == nil && st.IsDir() && (h.UID != 0 || owner(st) == 0) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

func (h *host) dir(name, dir string) []Finding {
	const cost = "nothing can be stored, so no container can run"
	at := h.nearest(dir)
	elsewhere := "export XDG_DATA_HOME=DIR XDG_STATE_HOME=DIR, on a local disk that you can write to"
	err := unix.Access(at, unix.W_OK|unix.X_OK)
	switch {
	case errors.Is(err, unix.EROFS):
		return bad(name, Fail, at+" is on a read-only file system", cost, elsewhere)
	case err != nil:
		return bad(name, Fail, at+" may not be written by "+h.User, cost, "sudo chown "+h.User+": "+at)
	}
	if f := h.dirOwner(name, dir); f != nil {
		return f
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		return bad(name, Fail, (&os.PathError{Op: "statfs", Path: at, Err: err}).Error(), cost, elsewhere)
	}
	if f := space(name, at, &fs); f != nil {
		return f
	}
	kind := fsName(fs.Type)
	if networked(kind) {
		return bad(name, Warn, dir+" is on "+kind+", a network file system",
			"no overlay and no reliable locks there: images have to live elsewhere", elsewhere)
	}
	if err := userXattr(at); err != nil {
		return bad(name, Warn, fmt.Sprintf("%s on %s: %v", dir, kind, err),
			"file capabilities and directories deleted by a layer are lost", elsewhere)
	}
	return good(name, fmt.Sprintf("%s on %s, %s free", dir, kind, units.BytesSize(float64(fs.Bavail)*float64(fs.Bsize))))
}

// dirOwner looks at Burrow's own directory once it is there.
func (h *host) dirOwner(name, dir string) []Finding {
	st, err := os.Stat(dir)
	if err != nil || h.UID == 0 { // root's belong to its first sub-ID
		return nil
	}
	if uid := owner(st); uid != h.UID {
		return bad(name, Fail, fmt.Sprintf("%s belongs to UID %d, not to you (UID %d)", dir, uid, h.UID),
			"images could be changed by somebody else", "sudo chown -R "+h.User+": "+dir)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return bad(name, Warn, fmt.Sprintf("%s has mode %04o", dir, st.Mode().Perm()),
			"other users can change your images", "chmod 0700 "+dir)
	}
	return nil
}

func space(name, at string, fs *unix.Statfs_t) []Finding {
	free := fs.Bavail * uint64(fs.Bsize)
	size := units.BytesSize(float64(free))
	inodes := fs.Files > 0 // btrfs and others count none
	switch {
	case free < noSpace:
		return bad(name, Fail, fmt.Sprintf("%s free at %s", size, at), "no container can be recorded", "burrow rmi IMAGE, or free space otherwise: df -h "+at)
	case inodes && fs.Ffree < noInodes:
		return bad(name, Fail, fmt.Sprintf("%d inodes free at %s", fs.Ffree, at), "no container can be recorded", "burrow rmi IMAGE, or delete files: df -i "+at)
	case free < littleSpace:
		return bad(name, Warn, fmt.Sprintf("%s free at %s", size, at), "larger images do not fit", "burrow rmi IMAGE, or free space otherwise: df -h "+at)
	case inodes && fs.Ffree < fewInodes:
		return bad(name, Warn, fmt.Sprintf("%d inodes free at %s", fs.Ffree, at), "larger images do not fit", "burrow rmi IMAGE, or delete files: df -i "+at)
	}
	return nil
}

// fsName names a file system by its magic number (statfs(2)).
func fsName(magic int64) string {
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
		unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.F2FS_SUPER_MAGIC: "f2fs",
		unix.ECRYPTFS_SUPER_MAGIC: "ecryptfs", unix.MSDOS_SUPER_MAGIC: "vfat", 0x2fc12fc1: "zfs", 0xca451a4e: "bcachefs",
		unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb2",
		unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "afs", 0x00c36400: "ceph", 0x0bd00bd0: "lustre", 0x47504653: "gpfs",
		unix.FUSE_SUPER_MAGIC: "fuse",
	}
	if n, ok := names[magic]; ok {
		return n
	}
	return fmt.Sprintf("file system %#x", magic)
}

func networked(kind string) bool {
	return strings.Contains(" nfs smb cifs smb2 9p afs ceph lustre gpfs ", " "+kind+" ")
}

// userXattr sets an extended attribute on a file that has no name.
func userXattr(dir string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil // no nameless files here; the overlay trial looks further
	}
	defer unix.Close(fd)
	if err := unix.Fsetxattr(fd, "user.burrow", []byte("y"), 0); err != nil {
		return os.NewSyscallError("set user.* extended attribute", err)
	}
	return nil
}

// checkOverlay mounts one where the layers are, or will be.
func checkOverlay(_ context.Context, h *host) []Finding {
	const name = "overlay"
	at := h.nearest(h.Dirs.Data)
	if !probe.UserNamespace.OK() || unix.Access(at, unix.W_OK|unix.X_OK) != nil {
		return nil // has a finding of its own
	}
	err := probe.Overlay(at)
	switch {
	case err == nil:
		return good(name, "works in a user namespace on "+at)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return nil // has a finding of its own
	case errors.Is(err, unix.ENODEV):
		return bad(name, Fail, "the kernel has no overlay file system", "no image can be mounted", "sudo modprobe overlay")
	case errors.Is(err, unix.EPERM):
		return bad(name, Fail, "the kernel does not mount overlay in a user namespace", "no image can be mounted", "use Linux 5.11 or newer")
	}
	return bad(name, Fail, err.Error(), "no image can be mounted there",
		"export XDG_DATA_HOME=DIR XDG_STATE_HOME=DIR, on ext4, xfs or btrfs")
}
