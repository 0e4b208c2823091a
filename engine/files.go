package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/sys"
)

// containerEnv is the content of /run/.containerenv, which programs look for to
// learn that they run in a container.
func containerEnv(id, name, image string) []byte {
	return fmt.Appendf(nil, "engine=\"burrow\"\nname=%q\nid=%q\nimage=%q\nrootless=1\n", name, id, image)
}

// generatedFiles writes hostname, hosts and resolv.conf into the scaffold and
// returns their mounts. They belong to the container's root and are writable,
// as in Docker and Podman.
func generatedFiles(s scaffold, r *run) ([]launch.Mount, error) {
	uid, gid := rootOwner(r)
	var mounts []launch.Mount
	add := func(name, dest string, content []byte) error {
		if r.brings(dest) {
			return nil
		}
		path, err := s.file(name, content, uid, gid)
		if err != nil {
			return fmt.Errorf("write %s: %w", dest, err)
		}
		mounts = append(mounts, launch.Mount{
			Type: "bind", Source: path, Dest: dest,
			Flags: sys.MountBind, // nosuid, nodev and noexec are the scaffold's already: no remount
		})
		return nil
	}
	if err := add("containerenv", "/run/.containerenv", containerEnv(r.id, r.name, r.image.name)); err != nil {
		return nil, err
	}
	if r.spec.Namespaces.UTS.Mode != spec.NamespaceHost {
		if err := add("hostname", "/etc/hostname", []byte(r.hostname+"\n")); err != nil {
			return nil, err
		}
	}
	names, err := r.nameFiles()
	if err != nil {
		return nil, err
	}
	if !r.spec.Network.NoHosts {
		if err := add("hosts", "/etc/hosts", names.hosts); err != nil {
			return nil, err
		}
	}
	if !r.keepResolv {
		if err := add("resolv.conf", "/etc/resolv.conf", names.resolv); err != nil {
			return nil, err
		}
	}
	return mounts, nil
}

// brings says whether the user has the file dest among the mounts. A volume on /etc is
// a copy of the image's: names must be found with it too, as in Docker.
func (r *run) brings(dest string) bool {
	copied := strings.HasPrefix(dest, "/etc/") && slices.ContainsFunc(r.spec.Mounts, func(m spec.Mount) bool {
		return m.Type == spec.MountVolume && m.Dest == "/etc" && !m.ReadOnly
	})
	if copied {
		return slices.ContainsFunc(r.spec.Mounts, func(m spec.Mount) bool { return m.Dest == dest })
	}
	return r.declares(dest)
}

type nameFiles struct{ hosts, resolv []byte }

// rootOwner is the anchor's ID of the container's root, which owns generated files.
func rootOwner(r *run) (uid, gid int) {
	u, _ := r.uids.Host(0)
	g, _ := r.gids.Host(0)
	return int(u), int(g)
}

// declares says whether the user mounts something on dest.
func (r *run) declares(dest string) bool {
	for _, m := range r.spec.Mounts {
		if m.Dest == dest || strings.HasPrefix(dest, m.Dest+"/") {
			return true
		}
	}
	return false
}
