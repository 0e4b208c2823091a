package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// userMounts are those of the command line, parents before children.
func (r *run) userMounts(ctx context.Context) ([]launch.Mount, error) {
	sorted := slices.Clone(r.spec.Mounts)
	slices.SortStableFunc(sorted, func(a, b spec.Mount) int {
		return strings.Count(a.Dest, "/") - strings.Count(b.Dest, "/")
	})
	out := make([]launch.Mount, 0, len(sorted))
	for i, m := range sorted {
		lms, err := r.userMount(ctx, m, i)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Dest, err)
		}
		out = append(out, lms...)
	}
	return out, nil
}

func (r *run) userMount(ctx context.Context, m spec.Mount, number int) ([]launch.Mount, error) {
	if m.Type == spec.MountArtifact {
		return r.artifactMounts(m, number)
	}
	lm, err := r.oneMount(ctx, m, number)
	return []launch.Mount{lm}, err
}

func (r *run) oneMount(ctx context.Context, m spec.Mount, number int) (launch.Mount, error) {
	switch m.Type {
	case spec.MountTmpfs:
		if m.Chown { // numbers of the container, which mounts it
			m.UID, m.GID = &r.who.uid, &r.who.gid
		}
		return launch.Mount{Type: "tmpfs", Source: "tmpfs", Dest: m.Dest, Flags: mountFlags(m), Data: tmpfsData(m), CopyUp: !m.NoCopyUp}, nil
	case spec.MountDevpts:
		return launch.Mount{Type: "devpts", Source: "devpts", Dest: m.Dest, Flags: sys.MountNoSUID | sys.MountNoExec, Data: devptsOptions(m)}, nil
	case spec.MountMqueue:
		return launch.Mount{Type: "mqueue", Source: "mqueue", Dest: m.Dest, Flags: mountFlags(m)}, nil
	case spec.MountBind:
		return r.bindMount(m, number)
	case spec.MountVolume:
		return r.volumeMount(ctx, m, number)
	case spec.MountArtifact:
	}
	return launch.Mount{}, fmt.Errorf("bug: mount type %q", m.Type)
}

func (r *run) bindMount(m spec.Mount, number int) (launch.Mount, error) {
	source := m.Source
	if err := checkSource(source); err != nil {
		return launch.Mount{}, err
	}
	if m.Overlay {
		dest := r.scaffold.path("o" + strconv.Itoa(number))
		if err := os.Mkdir(dest, 0o755); err != nil {
			return launch.Mount{}, err
		}
		if err := r.throwAway(source, dest, "o"+strconv.Itoa(number)); err != nil {
			return launch.Mount{}, err
		}
		source = dest
	}
	if err := r.relabel(source, m.Relabel); err != nil {
		return launch.Mount{}, err
	}
	if m.Chown {
		if err := r.chownTree(source); err != nil {
			return launch.Mount{}, err
		}
	}
	flags := mountFlags(m) | sys.MountBind
	if !m.NonRecursive {
		flags |= sys.MountRec
	}
	return launch.Mount{
		Type: "bind", Source: source, Dest: m.Dest, Flags: flags,
		Propagation: propagation(m.Propagation), Recursive: recursiveAttrs(m),
	}, nil
}

// checkSource refuses what cannot be mounted, and a link that hides what it
// is: a directory that somebody else wrote may hold a link to "/".
func checkSource(source string) error {
	target, err := filepath.EvalSymlinks(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return hint.New(fmt.Errorf("source %s does not exist", source), "mkdir -p "+source)
	case err != nil:
		return err
	case target == "/" && filepath.Clean(source) != "/":
		return hint.New(fmt.Errorf("source %s is a link to /", source), "to mount all of the host, say so: -v /:DESTINATION")
	}
	return nil
}

// recursiveAttrs makes what is mounted below the source as strict as the mount
// itself: MS_RDONLY alone would leave submounts writable (mount_setattr(2)).
func recursiveAttrs(m spec.Mount) uintptr {
	if m.NonRecursive {
		return 0
	}
	var attrs uintptr
	if m.ReadOnly {
		attrs |= sys.AttrReadOnly
	}
	if !m.SUID {
		attrs |= sys.AttrNoSUID
	}
	if !m.Dev {
		attrs |= sys.AttrNoDev
	}
	return attrs
}

func mountFlags(m spec.Mount) uintptr {
	var flags uintptr
	if m.ReadOnly {
		flags |= sys.MountReadOnly
	}
	if !m.SUID {
		flags |= sys.MountNoSUID
	}
	if !m.Dev {
		flags |= sys.MountNoDev
	}
	if !m.Exec {
		flags |= sys.MountNoExec
	}
	return flags
}

func tmpfsData(m spec.Mount) string {
	mode := uint32(0o1777)
	if m.Mode != nil {
		mode = *m.Mode
	}
	data := []string{fmt.Sprintf("mode=%04o", mode)}
	if m.Size != "" {
		data = append(data, "size="+m.Size)
	}
	if m.Inodes != "" {
		data = append(data, "nr_inodes="+m.Inodes)
	}
	return strings.Join(appendOwner(data, m), ",")
}

func devptsOptions(m spec.Mount) string {
	data := []string{"newinstance", "ptmxmode=0666"}
	if m.Mode != nil {
		data = append(data, fmt.Sprintf("mode=%04o", *m.Mode))
	}
	if m.Max != nil {
		data = append(data, fmt.Sprintf("max=%d", *m.Max))
	}
	return strings.Join(appendOwner(data, m), ",")
}

func appendOwner(data []string, m spec.Mount) []string {
	if m.UID != nil {
		data = append(data, fmt.Sprintf("uid=%d", *m.UID))
	}
	if m.GID != nil {
		data = append(data, fmt.Sprintf("gid=%d", *m.GID))
	}
	return data
}

// wantsPropagation says whether a mount asks to hear of the host's mounts,
// which a private root would not let through.
func wantsPropagation(mounts []spec.Mount) bool {
	return slices.ContainsFunc(mounts, func(m spec.Mount) bool {
		switch m.Propagation {
		case spec.Shared, spec.RShared, spec.Slave, spec.RSlave:
			return true
		case spec.Private, spec.RPrivate, spec.Unbindable, spec.RUnbindable:
		}
		return false
	})
}

func propagation(p spec.Propagation) []uintptr {
	flag, ok := map[spec.Propagation]uintptr{
		spec.Private: sys.MountPrivate, spec.RPrivate: sys.MountPrivate | sys.MountRec,
		spec.Shared: sys.MountShared, spec.RShared: sys.MountShared | sys.MountRec,
		spec.Slave: sys.MountSlave, spec.RSlave: sys.MountSlave | sys.MountRec,
		spec.Unbindable: sys.MountUnbindable, spec.RUnbindable: sys.MountUnbindable | sys.MountRec,
	}[p]
	if !ok {
		return nil
	}
	return []uintptr{flag}
}

// relabel gives the source the SELinux label that lets containers use it.
func (r *run) relabel(source string, how spec.Relabel) error {
	if how == spec.RelabelNone || r.policy.SELinux.MountLabel == "" {
		return nil
	}
	return security.Relabel(source, r.policy.SELinux.MountLabel, how == spec.RelabelShared, r.opts.Home)
}

// chownTree gives everything below source to the payload's user (:U).
func (r *run) chownTree(source string) error {
	uid, _ := r.uids.Host(r.who.uid)
	gid, _ := r.gids.Host(r.who.gid)
	return sys.ChownTree(source, int(uid), int(gid))
}

// inRoot is the directory that a path means in the container, as a path here
// that holds no links; "" if there is none.
func (r *run) inRoot(path string) (string, error) {
	f, err := sys.OpenInRoot(r.scaffold.root(), path, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	dir, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err == nil && !within(dir, r.scaffold.root()) {
		err = fmt.Errorf("bug: %s leads to %s", path, dir)
	}
	return dir, err
}
