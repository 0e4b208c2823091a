package slirp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// jail is all that a helper gets to see of the machine: programs and
// libraries, /etc, what /etc/resolv.conf is a link to, and the tun device,
// read-only. No home, no XDG_RUNTIME_DIR with its sockets (D-Bus on one of
// them is as good as an account), no image or state of ours.
//
// slirp4netns has a sandbox of its own, but leaves itself /run. pasta has a
// strict one, but only enters it after it has parsed its arguments, the
// configuration and the host's addresses. Both then work inside this one.
type jail struct {
	program string // what will be executed
	netns   string // "" or where to show the namespace, for who needs a path
	ns      *os.File
	// returns: the thread will leave it, and execute this program. So it cannot have
	// no_new_privs, which would stay. Helpers set it themselves with their filters, and
	// before that there is nothing to gain: no mount in here honours set-user-ID bits.
	returns bool
}

// Inside the jail.
const (
	netnsPath = "/run/netns"
	dnsDir    = "/run/resolv"
)

// enter puts the calling thread into the jail.
//
// Should: build a root file system on a tmpfs out of copies of mounts, and go
// there. Mustn't: leave anything behind that the caller's mount namespace
// sees, or that pins a mount of the caller's.
func (j jail) enter() error {
	if err := sys.PrivateMounts(); err != nil {
		return err
	}
	b := builder{root: "/tmp"}
	b.collect(j)
	if b.err != nil {
		return b.err
	}
	if err := sys.Mount("burrow", b.root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=64k,nr_inodes=64"); err != nil {
		return err
	}
	if err := b.attach(); err != nil {
		return err
	}
	if err := sys.EnterRoot(b.root); err != nil {
		return err
	}
	if j.returns {
		return nil
	}
	return sys.NoNewPrivs()
}

// builder collects mounts and links, and then puts them below root, which may
// cover where some of them came from.
type builder struct {
	root  string
	trees []tree
	links [][2]string // target, name
	err   error
}

type tree struct {
	path string
	from *os.File
	file bool
}

const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

func (b *builder) collect(j jail) {
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"} {
		b.same(dir)
	}
	if !strings.HasPrefix(j.program, "/usr/") {
		if p, err := filepath.EvalSymlinks(j.program); err == nil && !b.has(p) {
			b.add(filepath.Dir(p), filepath.Dir(p), readOnly) // /nix/store/…/bin: the loader will want more
			b.same("/nix")
		}
	}
	b.add("/proc", "/proc", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	for _, dev := range []string{"/dev/net/tun", "/dev/null", "/dev/urandom"} {
		b.add(dev, dev, 0)
	}
	b.resolv()
	if j.netns != "" {
		b.add("/proc/thread-self/fd/"+fdName(j.ns), j.netns, 0)
	}
}

// same shows path as it is: a directory, or a link as on merged-/usr systems.
func (b *builder) same(path string) {
	if target, err := os.Readlink(path); err == nil {
		b.links = append(b.links, [2]string{target, path})
		return
	}
	b.add(path, path, readOnly)
}

// resolv makes a link from where /etc/resolv.conf really is to a directory
// that shows the host's as it changes.
func (b *builder) resolv() {
	file, err := filepath.EvalSymlinks(resolvFile)
	if err != nil || strings.HasPrefix(file, "/etc/") || strings.HasPrefix(file, "/usr/") {
		return
	}
	b.add(filepath.Dir(file), dnsDir, readOnly)
	b.links = append(b.links, [2]string{filepath.Join(dnsDir, filepath.Base(file)), file})
}

func (b *builder) has(path string) bool {
	for _, t := range b.trees {
		if strings.HasPrefix(path, t.path+"/") {
			return true
		}
	}
	return false
}

// add shows from at path. What does not exist is left out.
func (b *builder) add(from, path string, attr uint64) {
	if b.err != nil {
		return
	}
	f, err := sys.CloneTree(from, attr)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		b.err = err
		return
	}
	st, err := f.Stat()
	if err != nil {
		b.err = err
		return
	}
	b.trees = append(b.trees, tree{path, f, !st.IsDir()})
}

func (b *builder) attach() error {
	for _, t := range b.trees {
		at := b.root + t.path
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		var err error
		if t.file {
			err = os.WriteFile(at, nil, 0o600)
		} else {
			err = os.MkdirAll(at, 0o755)
		}
		if err == nil {
			err = sys.MoveMount(t.from, at)
		}
		t.from.Close()
		if err != nil {
			return err
		}
	}
	for _, l := range b.links {
		at := b.root + l[1]
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(l[0], at); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/tmp", "/run"} { // where helpers make their own
		if err := os.MkdirAll(b.root+dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}
