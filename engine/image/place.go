package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/daemon"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// place is where an image is, or is to be.
type place struct {
	types.ImageReference
	transport string          // "docker", …
	text      string          // as given
	name      reference.Named // at a registry, else nil
	path      string          // in the file system, else ""
	stored    string          // in the store: a name or ID
	other     string          // in a store of others: [[DRIVER@]ROOT]NAME
	was       bool            // path was there before
}

const (
	transportStore   = "containers-storage" // Podman's, as for Skopeo
	transportOwn     = "burrow-storage"     // Burrow's
	transportArchive = "docker-archive"
	transportLayouts = "oci-archive"
)

// HasTransport says that a reference begins with the word of a transport that
// images can be copied from and to.
func HasTransport(text string) bool {
	word, rest, ok := strings.Cut(text, ":")
	switch word {
	case "docker":
		return strings.HasPrefix(rest, "//")
	case "dir", "oci", transportLayouts, transportArchive, "docker-daemon", transportStore, transportOwn:
		return ok
	}
	return false
}

// errNoTransport means that a reference does not begin with a transport.
var errNoTransport = errors.New("no transport")

// parsePlace reads TRANSPORT:REST.
func parsePlace(text string) (*place, error) {
	t := &place{text: text}
	var rest string
	t.transport, rest, _ = strings.Cut(text, ":")
	var err error
	switch {
	case t.transport == "dir":
		t.path = rest
		t.ImageReference, err = directory.NewReference(rest)
	case t.transport == "oci":
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = layout.ParseReference(rest)
	case t.transport == transportLayouts:
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = ociarchive.ParseReference(rest)
	case t.transport == transportArchive:
		t.path, _, _ = strings.Cut(rest, ":")
		t.ImageReference, err = dockerarchive.ParseReference(rest)
	case t.transport == "docker-daemon":
		t.ImageReference, err = daemon.ParseReference(rest)
	case rest == "" && (t.transport == transportStore || t.transport == transportOwn):
		err = badName(rest)
	case t.transport == transportStore:
		t.other = rest
	case t.transport == transportOwn:
		t.stored = strings.TrimPrefix(rest, "@")
	case t.transport == "docker" && strings.HasPrefix(rest, "//"):
		err = t.atRegistry(rest[2:])
	case isTransport(t.transport):
		err = fmt.Errorf("transport %q: %w", t.transport, ErrNotSupported)
	default:
		err = errNoTransport
	}
	if err == nil && t.name == nil && t.stored+t.other+t.path == "" && t.transport != "docker-daemon" {
		err = fmt.Errorf("%s: without a path", t.transport)
	}
	return t, err
}

func (t *place) atRegistry(name string) error {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return badName(name)
	}
	t.transport, t.name = docker.Transport.Name(), untag(named)
	t.ImageReference, err = docker.NewReference(t.name)
	return err
}

// pushTarget reads a destination: TRANSPORT:REST, or a name at a registry.
func pushTarget(text string) (*place, error) {
	t, err := parsePlace(text)
	if errors.Is(err, errNoTransport) {
		err = t.atRegistry(text)
	}
	if err == nil && t.stored != "" {
		err = hint.New(fmt.Errorf("transport %q: %w: it is stored", t.transport, ErrNotSupported), "burrow tag IMAGE "+t.stored)
	}
	if err == nil {
		err = t.writable()
	}
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", text, err)
	}
	t.look()
	return t, nil
}

// writable fails for places that are only read.
func (t *place) writable() error {
	if t.other != "" {
		return hint.New(fmt.Errorf("%s: is Podman's store, which is only read", transportStore),
			"Burrow's own is "+transportOwn+":NAME; to give Podman an image write oci-archive:FILE, which podman load takes")
	}
	return nil
}

// look remembers whether what is to be written is there already.
func (t *place) look() {
	if t.path != "" {
		_, err := os.Lstat(t.path)
		t.was = err == nil
	}
}

// undo removes what a failed copy has made.
func (t *place) undo() {
	if t.path != "" && !t.was {
		_ = os.RemoveAll(t.path)
	}
}

// explain says what was tried, and where.
func (t *place) explain(verb string, err error) error {
	if t.name == nil {
		return fmt.Errorf("%s %s: %w", verb, t.text, err)
	}
	err = explain(verb, t.name.String(), reference.Domain(t.name), err)
	if verb == "push" && reference.Domain(t.name) == "localhost" && hint.Of(err) == "" {
		return hint.New(err, "names without registry are localhost/…; name the one to push to: burrow push IMAGE REGISTRY/NAME")
	}
	return err
}

// atHand makes of an archive, which may come from anywhere, what the image
// library may be given to read. The caller calls done.
func (s *Store) atHand(ctx context.Context, t *place) (done func(), err error) {
	nothing := func() {}
	_, rest, _ := strings.Cut(t.text, ":")
	switch t.transport {
	case transportStore:
		ref, _, free, err := s.inOther(t.other)
		if errors.Is(err, ErrNotFound) {
			err = hint.New(err, transportStore+": is Podman's store; Burrow's own is "+transportOwn+":NAME")
		}
		if err != nil {
			return nothing, err
		}
		t.ImageReference = ref
		return free, nil
	case transportLayouts:
		dir, err := s.extractLayout(ctx, t.path)
		if err != nil {
			return nothing, err
		}
		_, name, _ := strings.Cut(rest, ":")
		t.ImageReference, err = layout.NewReference(dir, name)
		return func() { _ = os.RemoveAll(dir) }, err
	case transportArchive:
		ref, done, err := s.archiveRef(ctx, rest)
		if err != nil {
			return nothing, err
		}
		t.ImageReference = ref
		return done, nil
	}
	return nothing, nil
}
