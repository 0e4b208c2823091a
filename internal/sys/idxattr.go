package sys

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Renumber says which IDs take the place of others in the extended attributes
// that name some: POSIX ACLs, and the root of file capabilities. Nil leaves them.
type Renumber struct{ UID, GID func(uint32) uint32 }

const (
	attrCaps       = "security.capability"
	attrACL        = "system.posix_acl_access"
	attrDefaultACL = "system.posix_acl_default"
)

// apply returns the value with its IDs replaced, and whether it is another one
// by that. What has another form than the kernel writes stays as it is.
func (r Renumber) apply(attr string, value []byte) (_ []byte, changed bool) {
	switch attr {
	case attrCaps:
		return r.caps(value)
	case attrACL, attrDefaultACL:
		return r.acl(value)
	}
	return value, false
}

// caps renumbers struct vfs_ns_cap_data of linux/capability.h, whose last word
// is the root of the user namespace that the capabilities are of (Linux 4.14).
func (r Renumber) caps(value []byte) ([]byte, bool) {
	const revision3 = 0x03000000
	if len(value) != 24 || binary.LittleEndian.Uint32(value)&0xff000000 != revision3 {
		return value, false
	}
	return r.word(value, 20, r.UID)
}

// acl renumbers struct posix_acl_xattr_header and its entries of
// linux/posix_acl_xattr.h: tag, permissions, ID.
func (r Renumber) acl(value []byte) ([]byte, bool) {
	const (
		version   = 2
		header    = 4
		entry     = 8
		namedUser = 0x02
		namedGrp  = 0x08
	)
	if len(value) < header || (len(value)-header)%entry != 0 || binary.LittleEndian.Uint32(value) != version {
		return value, false
	}
	changed := false
	for at := header; at < len(value); at += entry {
		var one bool
		switch binary.LittleEndian.Uint16(value[at:]) {
		case namedUser:
			value, one = r.word(value, at+4, r.UID)
		case namedGrp:
			value, one = r.word(value, at+4, r.GID)
		}
		changed = changed || one
	}
	return value, changed
}

// word replaces an ID in value, which is the caller's own.
func (r Renumber) word(value []byte, at int, by func(uint32) uint32) ([]byte, bool) {
	if by == nil {
		return value, false
	}
	was := binary.LittleEndian.Uint32(value[at:])
	now := by(was)
	binary.LittleEndian.PutUint32(value[at:], now)
	return value, now != was
}

// RenumberACLs replaces the IDs in the ACLs of a file or directory.
func RenumberACLs(dir *os.File, name string, r Renumber) error {
	f, err := OpenBeneath(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EACCES) || otherNow(err) {
		return nil // a socket; or it has gone
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for _, attr := range []string{attrACL, attrDefaultACL} {
		value, err := fgetxattr(f, attr)
		if err != nil {
			return err
		}
		value, changed := r.apply(attr, value)
		if !changed {
			continue
		}
		if err := unix.Fsetxattr(int(f.Fd()), attr, value, 0); err != nil {
			return &os.PathError{Op: "fsetxattr " + attr, Path: f.Name(), Err: err}
		}
	}
	return nil
}

// fgetxattr returns nil where there is no such attribute.
func fgetxattr(f *os.File, attr string) ([]byte, error) {
	size, err := unix.Fgetxattr(int(f.Fd()), attr, nil)
	if err == nil && size > 0 {
		value := make([]byte, size)
		if size, err = unix.Fgetxattr(int(f.Fd()), attr, value); err == nil {
			return value[:size], nil
		}
	}
	if err == nil || errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	return nil, &os.PathError{Op: "fgetxattr " + attr, Path: f.Name(), Err: err}
}
