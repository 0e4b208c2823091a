package image

import (
	"context"
	"errors"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	digest "github.com/opencontainers/go-digest"
)

// errOneWay says that images leave the store another way.
var errOneWay = errors.New("bug: the reference is a destination only")

// target is the image library's view of a place in the store.
type target struct {
	store *Store
	names []string        // full names to give
	from  reference.Named // the repository that the image comes from, or nil
	id    string          // set by Commit

	partials *partials // or nil: layers that come in parts
	inFile   *inFile   // or nil: layers that are pieces of a file
	// kept is what one copy has staged and the next one is to have: see errWhole.
	kept map[digest.Digest]*layerDraft
}

func (t *target) Transport() types.ImageTransport                         { return transport{} }
func (t *target) StringWithinTransport() string                           { return "" }
func (t *target) DockerReference() reference.Named                        { return nil }
func (t *target) PolicyConfigurationIdentity() string                     { return "" }
func (t *target) PolicyConfigurationNamespaces() []string                 { return nil }
func (t *target) DeleteImage(context.Context, *types.SystemContext) error { return errOneWay }

func (t *target) NewImage(context.Context, *types.SystemContext) (types.ImageCloser, error) {
	return nil, errOneWay
}

func (t *target) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return nil, errOneWay
}

func (t *target) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	blobs := t.kept
	if t.kept = nil; blobs == nil {
		blobs = map[digest.Digest]*layerDraft{}
	}
	return &destination{ref: t, store: t.store, blobs: blobs, refused: t.partials.refusals()}, nil
}

// close discards what no copy wanted any more.
func (t *target) close() {
	for _, l := range t.kept {
		if l.staged != nil {
			t.store.discard(l.staged)
		}
	}
	t.partials.close()
}

type transport struct{}

func (transport) Name() string { return "burrow" }

func (transport) ParseReference(string) (types.ImageReference, error) { return nil, errOneWay }

func (transport) ValidatePolicyConfigurationScope(string) error { return nil }
