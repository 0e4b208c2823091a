package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// addAccounts gives a user or group that the image does not know a line in the
// container's account files, so that programs can ask for its name and home.
// The line goes into the writable layer; a directory of the caller's used as
// root (--rootfs) is left as it is.
func (r *run) addAccounts() error {
	p := r.spec.Process
	if !p.Passwd || r.spec.Host || r.spec.Rootfs != nil && !r.spec.Rootfs.Overlay {
		return nil
	}
	if r.who.name == "" && r.who.uid != 0 {
		name, home := r.accountName(), r.workdir()
		if strings.ContainsAny(home, ":\n") {
			home = "/" // not a field of passwd; the image may have chosen it (CVE-2022-4318)
		}
		entry := p.PasswdEntry
		if entry == "" {
			entry = fmt.Sprintf("%s:*:%d:%d:container user:%s:/bin/sh", name, r.who.uid, r.who.gid, home)
		}
		if err := r.appendAccount("/etc/passwd", r.expandEntry(entry, home)); err != nil {
			return err
		}
		r.who.name = name
		if r.who.home == "/" {
			r.who.home = home
		}
	}
	group := p.GroupEntry
	if group == "" && r.who.groupName == "" && r.who.gid != 0 {
		group = fmt.Sprintf("%s:x:%d:", r.newGroupName(), r.who.gid)
	}
	if group == "" {
		return nil
	}
	return r.appendAccount("/etc/group", r.expandEntry(group, ""))
}

// newGroupName is the caller's own name where the ID stands for the caller's group
// and the image has no other of that name, else the number.
func (r *run) newGroupName() string {
	number := fmt.Sprint(r.who.gid)
	if id, ok := r.gids.Host(r.who.gid); !ok || id != 0 || r.opts.User == "" || strings.ContainsAny(r.opts.User, ":\n/") {
		return number
	}
	groups, err := readAccountFile(r.scaffold.root(), "/etc/group")
	if err != nil || strings.HasPrefix(groups, r.opts.User+":") || strings.Contains(groups, "\n"+r.opts.User+":") {
		return number
	}
	return r.opts.User
}

// accountName is the caller's own where the ID stands for the caller, else the number.
func (r *run) accountName() string {
	if id, ok := r.uids.Host(r.who.uid); ok && id == 0 && r.opts.User != "" && !strings.ContainsAny(r.opts.User, ":\n/") {
		return r.opts.User
	}
	return fmt.Sprint(r.who.uid)
}

// expandEntry fills in the variables that podman-run(1) names for these flags.
func (r *run) expandEntry(entry, home string) string {
	return strings.NewReplacer(
		"$USERNAME", r.accountName(), "$UID", fmt.Sprint(r.who.uid), "$GID", fmt.Sprint(r.who.gid),
		"$NAME", r.accountName(), "$HOME", home, "$GROUPNAME", r.accountName(),
	).Replace(entry)
}

// appendAccount adds a line to an account file of the image, which must be a
// regular file below the root. Where there is none, nobody will ask it.
func (r *run) appendAccount(name, line string) error {
	f, err := openAccountFile(r.scaffold.root(), name, unix.O_RDWR|unix.O_APPEND)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	last := make([]byte, 1)
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("%w %s: %w", errAccountFile, name, err)
	}
	return nil
}
