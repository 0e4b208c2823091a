package engine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/artifact"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// artifactMounts mounts the files of an artifact, each by itself, so that what the
// image has beside them stays (podman-run(1), type=artifact). What is mounted is
// the store's own blob: it is looked up at each start, and stays readable if the
// artifact is removed while the container runs.
func (r *run) artifactMounts(m spec.Mount, number int) ([]launch.Mount, error) {
	a, err := artifact.Get(r.opts.Dirs, m.Source)
	if errors.Is(err, artifact.ErrNotFound) {
		return nil, hint.New(fmt.Errorf("%w: %q", artifact.ErrNotFound, m.Source), "burrow artifact pull "+m.Source)
	}
	if err != nil {
		return nil, err
	}
	root, err := sys.OpenDir(r.scaffold.root())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files, dests, err := artifactFiles(a, m, root)
	if err != nil {
		return nil, err
	}
	out := make([]launch.Mount, len(files))
	for i, f := range files {
		source, err := r.showBlob(a, f, fmt.Sprintf("artifact%d-%d", number, i))
		if err != nil {
			return nil, err
		}
		out[i] = launch.Mount{Type: "bind", Source: source, Dest: dests[i], Flags: mountFlags(m) | sys.MountBind}
	}
	return out, nil
}

// artifactFiles are the files that are meant, and where they go in root. One file takes the
// place of a file of the image, or of nothing; others go into a directory.
func artifactFiles(a *artifact.Artifact, m spec.Mount, root *os.File) (files []artifact.File, dests []string, err error) {
	which := artifact.Choice{Digest: m.Artifact.Digest, Title: m.Artifact.Title}
	if files, err = which.Of(a); err != nil {
		return nil, nil, err
	}
	asFile, err := takesFile(root, m.Dest, len(files))
	if err != nil {
		return nil, nil, err
	}
	if asFile {
		return files, []string{m.Dest}, nil
	}
	dests, err = placesIn(m, which, files)
	if err != nil {
		return nil, nil, fmt.Errorf("artifact %s: %w", a.Name, err)
	}
	return files, dests, nil
}

// placesIn are where files go in the directory that is the destination.
func placesIn(m spec.Mount, which artifact.Choice, files []artifact.File) ([]string, error) {
	out := make([]string, len(files))
	if m.Artifact.Name == "" {
		names, err := which.Names(files)
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			out[i] = path.Join(m.Dest, name)
		}
		return out, nil
	}
	for i := range files {
		out[i] = path.Join(m.Dest, m.Artifact.Name)
		if len(files) > 1 {
			out[i] += "-" + strconv.Itoa(i)
		}
	}
	return out, nil
}

// artifactPlaces are all paths that files of artifacts may be mounted on, as far as
// the artifacts are still there.
func (r *run) artifactPlaces() map[string]bool {
	out := map[string]bool{}
	for _, m := range r.spec.Mounts {
		if m.Type != spec.MountArtifact {
			continue
		}
		out[m.Dest] = true
		a, err := artifact.Get(r.opts.Dirs, m.Source)
		if err != nil {
			continue
		}
		which := artifact.Choice{Digest: m.Artifact.Digest, Title: m.Artifact.Title}
		files, _ := which.Of(a)
		places, _ := placesIn(m, which, files)
		for _, p := range places {
			out[p] = true
		}
	}
	return out
}

// takesFile says whether files of an artifact go to dest itself, not into it.
func takesFile(root *os.File, dest string, files int) (bool, error) {
	f, err := sys.OpenInRootOf(root, dest, sys.OpenPathOnly)
	if errors.Is(err, os.ErrNotExist) {
		return files == 1, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return false, err
	}
	if files > 1 {
		return false, hint.New(fmt.Errorf("the artifact has %d files, and in the container it is one", files), "choose a file with title= or digest=")
	}
	return true, nil
}

// showBlob mounts a blob in the scaffold. It must be read-only there already: what
// a mount namespace is given by a more privileged one, it cannot make writable,
// whatever its root may do (mount_namespaces(7), "Restrictions"). The blob's owner
// is the anchor's root, so nothing but that keeps it from the container's. Where that
// is another ID (auto, keep-id) it stays the owner, as with Podman: an idmapped mount
// needs capabilities over the file system, and a copy the size of a model.
func (r *run) showBlob(a *artifact.Artifact, f artifact.File, name string) (string, error) {
	blob, err := artifact.Blob(r.opts.Dirs, f.Digest)
	if err != nil {
		return "", err
	}
	damaged := func(what string) error {
		return hint.New(fmt.Errorf("artifact %s is damaged: %.19s %s", a.Name, f.Digest, what), "burrow system check --repair")
	}
	var st unix.Stat_t
	switch err := unix.Lstat(blob, &st); {
	case errors.Is(err, os.ErrNotExist):
		return "", damaged("is gone")
	case err != nil:
		return "", &os.PathError{Op: "stat", Path: blob, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != f.Size:
		return "", damaged("is another")
	}
	if st.Mode&0o444 != 0o444 { // the store is closed to others, the mount is not
		if err := os.Chmod(blob, 0o644); err != nil {
			return "", err
		}
	}
	if err := r.relabel(blob, spec.RelabelShared); err != nil {
		return "", err
	}
	source := r.scaffold.path(name)
	if err := os.WriteFile(source, nil, 0o600); err != nil {
		return "", err
	}
	tree, err := sys.CloneTree(blob, sys.AttrReadOnly|sys.AttrNoSUID|sys.AttrNoDev)
	if err != nil {
		return "", err
	}
	defer tree.Close()
	return source, sys.MoveMount(tree, source)
}

// showArtifact mounts files of an artifact where a container that does not run has
// them. What was removed, or was never mounted, is not shown.
func (r *run) showArtifact(root *os.File, m spec.Mount) error {
	a, err := artifact.Get(r.opts.Dirs, m.Source)
	if err != nil {
		return nil //nolint:nilerr // who starts the container is told
	}
	files, dests, err := artifactFiles(a, m, root)
	if err != nil {
		return err
	}
	for i, f := range files {
		blob, err := artifact.Blob(r.opts.Dirs, f.Digest)
		if err != nil {
			return err
		}
		shown := m
		shown.Source, shown.Dest = blob, dests[i]
		if err := showVolume(root, shown, false); err != nil {
			return err
		}
	}
	return nil
}
