package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/daemon"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// transports are the places other than registries that Pull fetches from, by
// the word before the first colon.
var transports = map[string]func(*Store, context.Context, string, PullOptions) ([]string, error){
	"dir":            (*Store).pullDir,
	"oci":            (*Store).pullLayout,
	"oci-archive":    (*Store).pullOCIArchive,
	"docker-archive": (*Store).pullDockerArchive,

	transportStore:  (*Store).pullStorage,
	"docker-daemon": (*Store).pullDaemon,
}

// isTransport says that a word names a transport of other engines, not an
// image called like it.
func isTransport(word string) bool {
	return slices.Contains([]string{transportStore, transportOwn, "docker-daemon", "tarball", "sif", "atomic", "openshift", "ostree"}, word)
}

type puller = func(*Store, context.Context, string, PullOptions) ([]string, error)

func (s *Store) pullFrom(ctx context.Context, from puller, rest string, opts PullOptions) ([]string, error) {
	return from(s, ctx, rest, opts)
}

// localName is the name of an image that has none but its path, as in Podman.
func localName(path string) []string {
	if full, err := fullName("localhost/" + strings.TrimLeft(path, "./")); err == nil {
		return []string{full}
	}
	return nil
}

func (s *Store) pullDir(ctx context.Context, path string, opts PullOptions) ([]string, error) {
	ref, err := directory.NewReference(path)
	if err != nil {
		return nil, fmt.Errorf("pull dir:%s: %w", path, err)
	}
	return s.pullRef(ctx, "dir:"+path, ref, opts, localName(path))
}

// pullDaemon takes docker-daemon:NAME:TAG or docker-daemon:ID from a Docker on this machine.
func (s *Store) pullDaemon(ctx context.Context, rest string, opts PullOptions) ([]string, error) {
	what := "docker-daemon:" + rest
	ref, err := daemon.ParseReference(rest)
	if err != nil {
		return nil, hint.New(fmt.Errorf("pull %s: %w", what, err), "burrow pull docker-daemon:NAME:TAG")
	}
	var names []string
	if named := ref.DockerReference(); named != nil {
		names = []string{named.String()}
	}
	return s.pullRef(ctx, what, ref, opts, names)
}

func (s *Store) pullRef(ctx context.Context, what string, ref types.ImageReference, opts PullOptions, names []string) ([]string, error) {
	sys, err := s.systemFor(opts)
	if err != nil {
		return nil, err
	}
	crypt, err := newCrypt(nil, nil, opts.DecryptionKeys)
	if err != nil {
		return nil, err
	}
	id, err := s.fetchFrom(ctx, guarded{ImageReference: ref, stall: s.opts.Stall, decrypt: crypt.decrypt}, sys, names)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", what, err)
	}
	return []string{id}, nil
}

// pullLayout takes oci:DIR[:NAME].
func (s *Store) pullLayout(ctx context.Context, rest string, opts PullOptions) ([]string, error) {
	dir, name, _ := strings.Cut(rest, ":")
	return s.pullLayoutDir(ctx, "oci:"+rest, dir, dir, name, opts)
}

func (s *Store) pullLayoutDir(ctx context.Context, what, dir, shown, name string, opts PullOptions) ([]string, error) {
	ref, err := layout.NewReference(dir, name)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", what, err)
	}
	desc, err := layout.LoadManifestDescriptor(ref)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", what, err)
	}
	names := layoutNames(desc.Annotations)
	if names == nil {
		names = localName(shown)
	}
	return s.pullRef(ctx, what, ref, opts, names)
}

// pullOCIArchive takes oci-archive:FILE[:NAME].
func (s *Store) pullOCIArchive(ctx context.Context, rest string, opts PullOptions) ([]string, error) {
	file, name, _ := strings.Cut(rest, ":")
	dir, err := s.extractLayout(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("pull oci-archive:%s: %w", rest, err)
	}
	defer os.RemoveAll(dir)
	return s.pullLayoutDir(ctx, "oci-archive:"+rest, dir, file, name, opts)
}

// pullDockerArchive takes docker-archive:FILE[:NAME|:@INDEX].
func (s *Store) pullDockerArchive(ctx context.Context, rest string, opts PullOptions) ([]string, error) {
	if !strings.Contains(filepath.Base(rest), ":") {
		loaded, err := s.loadDockerArchive(ctx, rest)
		if errors.Is(err, errOtherFormat) {
			err = fmt.Errorf("%w: %s is no docker archive", ErrInvalid, rest)
		}
		if err != nil {
			return nil, fmt.Errorf("pull docker-archive:%s: %w", rest, err)
		}
		ids := make([]string, len(loaded))
		for i := range loaded {
			ids[i] = loaded[i].ID
		}
		return ids, nil
	}
	ref, done, err := s.archiveRef(ctx, rest)
	if err != nil {
		return nil, fmt.Errorf("pull docker-archive:%s: %w", rest, err)
	}
	defer done()
	var names []string
	if tagged, ok := ref.DockerReference().(reference.NamedTagged); ok {
		names = []string{tagged.String()}
	}
	return s.pullRef(ctx, "docker-archive:"+rest, ref, opts, names)
}

// archiveRef is FILE[:NAME|:@INDEX] of a docker-archive, and what is to be called
// when it is used no more.
func (s *Store) archiveRef(ctx context.Context, rest string) (ref types.ImageReference, done func(), err error) {
	file, _, _ := strings.Cut(rest, ":")
	plain, err := s.plainArchive(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	done = func() {}
	if plain != file {
		done = func() { _ = os.Remove(plain) }
	}
	ref, err = dockerarchive.ParseReference(filepath.Clean(plain) + strings.TrimPrefix(rest, file))
	if err != nil {
		done()
		return nil, nil, err
	}
	return ref, done, nil
}
