package engine

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// identity is who the payload runs as, in the container's IDs.
type identity struct {
	uid, gid uint32
	groups   []uint32
	home     string
	name     string // from the image's passwd, may be empty
	// groupName is that of gid, from the image's group file; may be empty.
	groupName string
}

// maxAccountFile bounds what is read of an image's passwd and group: a hostile
// image must not make us read gigabytes (CVE-2026-47262).
const maxAccountFile = 1 << 20

var errAccountFile = errors.New("account file")

// lookupIdentity finds the user in the account files below root, which the
// image controls: they are opened without leaving it, must be regular files
// and are read up to a bound.
func lookupIdentity(root, userSpec string, extra []string) (identity, error) {
	passwd, err := readAccountFile(root, "/etc/passwd")
	if err != nil {
		return identity{}, err
	}
	group, err := readAccountFile(root, "/etc/group")
	if err != nil {
		return identity{}, err
	}
	if userSpec == "" {
		userSpec = "0"
	}
	u, err := user.GetExecUser(userSpec, &user.ExecUser{Home: "/"},
		strings.NewReader(passwd), strings.NewReader(group))
	if err != nil {
		return identity{}, hint.New(fmt.Errorf("user %q: %w", userSpec, unwrapUser(err)),
			"give a number, or a name that the image's /etc/passwd has")
	}
	if err := checkIDs(slices.Concat(u.Sgids, []int{u.Uid, u.Gid})); err != nil {
		return identity{}, fmt.Errorf("user %q: %w", userSpec, err)
	}
	out := identity{uid: uint32(u.Uid), gid: uint32(u.Gid), home: cmp.Or(u.Home, "/"), name: entryName(passwd, u.Uid)}
	out.groupName = entryName(group, u.Gid)
	groups := u.Sgids
	if len(extra) > 0 {
		more, err := user.GetAdditionalGroups(extra, strings.NewReader(group))
		if err != nil {
			return identity{}, fmt.Errorf("group %s: %w", strings.Join(extra, ", "), err)
		}
		if err := checkIDs(more); err != nil {
			return identity{}, fmt.Errorf("group %s: %w", strings.Join(extra, ", "), err)
		}
		groups = append(groups, more...)
	}
	// The primary group is always among the supplementary ones: without it a
	// file that denies the group would be readable (CVE-2022-2989).
	out.groups = distinct(append(groups, u.Gid))
	if len(out.groups) > maxGroups {
		return identity{}, fmt.Errorf("user %q: %w /etc/group: %d groups, the kernel takes %d", userSpec, errAccountFile, len(out.groups), maxGroups)
	}
	return out, nil
}

// checkIDs refuses numbers of the image's files that are no IDs: cut to 32 bits
// they would be another's, and -1 means no change to setresuid(2).
func checkIDs(ids []int) error {
	for _, id := range ids {
		if id < 0 || id >= math.MaxUint32 {
			return fmt.Errorf("%w: %d is no ID", errAccountFile, id)
		}
	}
	return nil
}

// maxGroups is the kernel's NGROUPS_MAX (setgroups(2)).
const maxGroups = 65536

// distinct are the groups in order, each once.
func distinct(groups []int) []uint32 {
	out := make([]uint32, 0, len(groups))
	for _, g := range groups {
		out = append(out, uint32(g))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// entryName is the first name of an ID in a passwd or group file, "" if it has none.
func entryName(file string, id int) string {
	want := strconv.Itoa(id)
	for line := range strings.SplitSeq(file, "\n") {
		f := strings.SplitN(line, ":", 4)
		if len(f) == 4 && f[2] == want {
			return f[0]
		}
	}
	return ""
}

func unwrapUser(err error) error {
	if errors.Is(err, user.ErrNoPasswdEntries) {
		return errors.New("not in the image's /etc/passwd")
	}
	if errors.Is(err, user.ErrNoGroupEntries) {
		return errors.New("group is not in the image's /etc/group")
	}
	return err
}

// readAccountFile returns the file's content, "" where there is none.
func readAccountFile(root, name string) (string, error) {
	f, err := openAccountFile(root, name, unix.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAccountFile+1))
	if err != nil {
		return "", fmt.Errorf("%w %s: %w", errAccountFile, name, err)
	}
	return string(b), nil
}

// openAccountFile opens a file of the image and refuses what is no regular file
// of reasonable size.
func openAccountFile(root, name string, flags int) (*os.File, error) {
	f, err := sys.OpenInRoot(root, name, flags)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAccountFile, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case info.Size() > maxAccountFile:
		err = fmt.Errorf("%d bytes, more than %d", info.Size(), maxAccountFile)
	default:
		return f, nil
	}
	f.Close()
	return nil, fmt.Errorf("%w %s: %w", errAccountFile, name, err)
}
