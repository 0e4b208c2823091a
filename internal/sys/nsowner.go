package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// NamespaceOwner is the UID, as the caller's namespace sees it, of who made
// the user namespace (ioctl_ns(2), NS_GET_OWNER_UID, Linux 4.11).
func NamespaceOwner(ns *os.File) (uint32, error) {
	// The kernel writes a 32-bit uid_t; IoctlGetUint32 passes exactly that.
	uid, err := unix.IoctlGetUint32(int(ns.Fd()), unix.NS_GET_OWNER_UID)
	if err != nil {
		return 0, &os.PathError{Op: "NS_GET_OWNER_UID", Path: ns.Name(), Err: err}
	}
	return uid, nil
}

// NamespaceParent opens the namespace that the user namespace was made in
// (NS_GET_PARENT, Linux 4.9). EPERM says that it is outside what the caller
// may see: the caller's own namespace, or the initial one.
func NamespaceParent(ns *os.File) (*os.File, error) {
	fd, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_PARENT)
	if err != nil {
		return nil, &os.PathError{Op: "NS_GET_PARENT", Path: ns.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), ns.Name()+"/parent"), nil
}

// NamespaceID is what identifies a namespace: device and inode of its file.
type NamespaceID struct{ Dev, Inode uint64 }

// NamespaceIDOf tells namespaces apart.
func NamespaceIDOf(ns *os.File) (NamespaceID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &st); err != nil {
		return NamespaceID{}, &os.PathError{Op: "fstat", Path: ns.Name(), Err: err}
	}
	return NamespaceID{Dev: st.Dev, Inode: st.Ino}, nil
}

// NamespaceUser opens the user namespace that a namespace of another kind belongs to
// (NS_GET_USERNS, Linux 4.9). EPERM is as with NamespaceParent.
func NamespaceUser(ns *os.File) (*os.File, error) {
	fd, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return nil, &os.PathError{Op: "NS_GET_USERNS", Path: ns.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), ns.Name()+"/owner"), nil
}
