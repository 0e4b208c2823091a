package slirp

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// NetnsOptions says what a new network namespace gets besides its loopback
// device, free low ports and ping.
type NetnsOptions struct {
	// Sysfs asks for a sysfs that shows the namespace. Only the namespace's
	// owner can mount it, so a container cannot do it for itself.
	Sysfs bool
	// Sysctl are further values below net, with dots as in sysctl(8). They are
	// written here because a container that does not own the namespace may not.
	Sysctl map[string]string
}

// Netns is a network namespace with a name.
type Netns struct {
	// Path is where it is mounted: for whoever joins by path.
	Path string
	// File refers to it independently of any mount.
	File *os.File
	// Sysfs is a detached, read-only mount, if it was asked for: for
	// move_mount(2). It is closed by Close.
	Sysfs *os.File
}

// NewNetns makes a network namespace owned by the caller's user namespace and
// mounts it on path, a file that it creates. The mount lives in the caller's
// mount namespace; nothing has to be undone if the caller dies.
//
// The kernel's own cost is the unshare, 0.2 to 4 ms here depending on load
// (it registers every protocol); the rest is about 0.15 ms.
func NewNetns(ctx context.Context, path string, o NetnsOptions) (*Netns, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	if err := checkNetSysctls(o.Sysctl); err != nil {
		return nil, err
	}
	n := &Netns{Path: path}
	if err := away(sys.UnshareNetns, func() error { return n.setUp(o) }); err != nil {
		n.Close()
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	return n, nil
}

// OpenNetns opens the existing network namespace at path, which may also be
// /proc/PID/ns/net, and makes sure that it is one.
func OpenNetns(path string) (*Netns, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		f.Close()
		return nil, fmt.Errorf("%s is not a network namespace", path)
	}
	return &Netns{Path: path, File: f}, nil
}

// Configure does for a namespace that somebody else made, for instance with
// the container's own user namespace as owner, what NewNetns does for its own.
func (n *Netns) Configure(ctx context.Context, o NetnsOptions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("configure network namespace: %w", err)
	}
	if err := checkNetSysctls(o.Sysctl); err != nil {
		return err
	}
	err := inNetns(n.File, func() error { return n.configure(o) })
	if err != nil {
		return fmt.Errorf("configure network namespace: %w", err)
	}
	return nil
}

// Do runs fn on a thread that is in the namespace for as long as fn runs. fn
// must not start goroutines that are meant to be there too.
func (n *Netns) Do(fn func() error) error { return inNetns(n.File, fn) }

// Close lets go of the namespace. Its mount stays.
func (n *Netns) Close() error {
	if n.Sysfs != nil {
		n.Sysfs.Close()
	}
	if n.File != nil {
		return n.File.Close()
	}
	return nil
}

// setUp runs on a thread inside the new namespace.
func (n *Netns) setUp(o NetnsOptions) (err error) {
	if err := n.configure(o); err != nil {
		return err
	}
	if n.File, err = sys.ThreadNetns(); err != nil {
		return err
	}
	f, err := os.OpenFile(n.Path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	return sys.BindNetns(n.Path)
}

func (n *Netns) configure(o NetnsOptions) (err error) {
	if err := sys.LinkUp("lo"); err != nil {
		return err
	}
	// Capabilities of a child user namespace do not count in a namespace that
	// its parent owns: root in the container needs neither to bind port 80 nor
	// to ping.
	if err := writeSysctl("net/ipv4/ip_unprivileged_port_start", "0"); err != nil {
		return err
	}
	if err := allowPing(); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(o.Sysctl)) {
		if err := writeSysctl(sysctlPath(k), o.Sysctl[k]); err != nil {
			return err
		}
	}
	if o.Sysfs {
		n.Sysfs, err = sys.DetachedSysfs()
	}
	return err
}

// writeSysctl writes below /proc/sys. Below net, the kernel shows each thread
// the values of its own network namespace.
func writeSysctl(name, value string) error {
	f, err := os.OpenFile("/proc/sys/"+name, os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}

// sysctlPath turns net.ipv4.conf.eth0/1.forwarding into a path as sysctl(8)
// does: dots separate, slashes stand for dots in names.
func sysctlPath(key string) string {
	if !strings.Contains(key, ".") {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

func checkNetSysctls(m map[string]string) error {
	for k, v := range m {
		p := sysctlPath(k)
		bad := !strings.HasPrefix(p, "net/") || slices.ContainsFunc(strings.Split(p, "/"),
			func(e string) bool { return e == "" || e == "." || e == ".." })
		if bad || strings.ContainsAny(k+v, "\x00\n") {
			return fmt.Errorf("sysctl %q: %w: not a value of a network namespace", k, ErrSyntax)
		}
	}
	return nil
}
