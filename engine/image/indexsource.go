package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// listRef is a list as a place to copy from: the list itself is the store's,
// and each image is read where it is.
type listRef struct {
	target // its methods for what the library asks of any reference

	x   *index
	j   *pushJob
	raw []byte // the list as it is sent

	heard func() // called whenever a source is used

	// layers are those of the stored images that were read.
	layers map[digest.Digest][]string
}

func (r *listRef) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return &listSource{ref: r, members: map[digest.Digest]*opened{}, blobs: map[digest.Digest]*opened{}}, nil
}

// listSource is a listRef in use.
type listSource struct {
	ref *listRef

	mu      sync.Mutex
	members map[digest.Digest]*opened
	blobs   map[digest.Digest]*opened // which image has which
}

// opened is the place where one image is.
type opened struct {
	types.ImageSource
	// instance is the manifest to ask for, nil for the only one there is.
	instance *digest.Digest
	done     func()
}

func (l *listSource) Reference() types.ImageReference { return l.ref }

// HasThreadSafeGetBlob is no for archives, which are read by one reader.
func (l *listSource) HasThreadSafeGetBlob() bool {
	for _, from := range l.ref.x.From {
		if strings.HasPrefix(from, "docker-archive:") {
			return false
		}
	}
	return true
}

func (l *listSource) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) {
	return nil, nil
}

func (l *listSource) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, o := range l.members {
		errs = append(errs, o.Close())
		o.done()
	}
	return errors.Join(errs...)
}

// GetManifest returns the list, or one of its images' manifests: the very one
// that was added, whatever is there now.
func (l *listSource) GetManifest(ctx context.Context, instance *digest.Digest) ([]byte, string, error) {
	if instance == nil {
		return l.ref.raw, manifest.GuessMIMEType(l.ref.raw), nil
	}
	o, err := l.member(ctx, *instance)
	if err != nil {
		return nil, "", err
	}
	b, mime, err := o.GetManifest(ctx, o.instance)
	if err != nil {
		return nil, "", fmt.Errorf("image %s: %w", *instance, err)
	}
	if same, err := manifest.MatchesDigest(b, *instance); err != nil || !same {
		return nil, "", fmt.Errorf("image %s: what is at %s has changed since it was added", *instance, l.ref.x.From[*instance])
	}
	mime = manifest.NormalizedMIMEType(mime)
	m, err := manifest.FromBlob(b, mime)
	if err != nil {
		return nil, "", fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	infos := []types.BlobInfo{m.ConfigInfo()}
	for _, layer := range m.LayerInfos() {
		infos = append(infos, layer.BlobInfo)
	}
	l.belong(o, infos)
	return b, mime, nil
}

func (l *listSource) belong(o *opened, infos []types.BlobInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range infos {
		l.blobs[i.Digest] = o
	}
}

func (l *listSource) LayerInfosForCopy(ctx context.Context, instance *digest.Digest) ([]types.BlobInfo, error) {
	if instance == nil {
		return nil, nil
	}
	o, err := l.member(ctx, *instance)
	if err != nil {
		return nil, err
	}
	infos, err := o.LayerInfosForCopy(ctx, o.instance)
	l.belong(o, infos)
	return infos, err
}

func (l *listSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	l.mu.Lock()
	o := l.blobs[info.Digest]
	l.mu.Unlock()
	if o == nil {
		return nil, 0, fmt.Errorf("bug: no image of the list has the blob %s", info.Digest)
	}
	body, size, err := o.GetBlob(ctx, info, cache)
	if err != nil {
		return nil, 0, err
	}
	return &heard{body, l.ref.heard}, size, nil
}

// member opens the place where an image is, once.
func (l *listSource) member(ctx context.Context, d digest.Digest) (*opened, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.members[d]; o != nil {
		return o, nil
	}
	open := l.elsewhere
	if l.ref.x.From[d] == "" {
		open = l.stored
	}
	o, err := open(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", d, err)
	}
	l.members[d] = o
	return o, nil
}

// stored opens an image of the store, and finds out what of it the registry
// has already.
func (l *listSource) stored(ctx context.Context, d digest.Digest) (*opened, error) {
	s, j := l.ref.store, l.ref.j
	img, err := s.storedBy(d)
	if err != nil {
		return nil, err
	}
	if img == nil {
		return nil, fmt.Errorf("%w: it was removed from the store", ErrNotFound)
	}
	from, err := s.source(img.ID)
	if err != nil {
		return nil, err
	}
	from.instance, from.heard = &d, l.ref.heard
	if j.to.name != nil && j.crypt.encrypt == nil {
		p, err := s.pushed(ctx, img, from, j.sys)
		if err != nil {
			return nil, err
		}
		if err := s.reuse(ctx, from, j.to, j.sys, p, j.wanted(), j.mime == manifest.DockerV2Schema2MediaType); err != nil {
			return nil, err
		}
		l.ref.layers[d] = p.layers
	}
	src, err := from.NewImageSource(ctx, j.sys)
	if err != nil {
		return nil, err
	}
	return &opened{src, from.instance, func() {}}, nil
}

// elsewhere opens an image at a registry, in a directory or in an archive.
// Credentials that were given for the destination go to no other registry.
func (l *listSource) elsewhere(ctx context.Context, d digest.Digest) (*opened, error) {
	s, j := l.ref.store, l.ref.j
	ref, done, err := s.open(ctx, l.ref.x.From[d])
	if err != nil {
		return nil, err
	}
	sys := *j.sys
	sys.CompressionFormat, sys.CompressionLevel = nil, nil
	if named := ref.DockerReference(); named != nil && (j.to.name == nil || reference.Domain(named) != reference.Domain(j.to.name)) {
		sys.DockerAuthConfig, sys.DockerCertPath = nil, ""
	}
	src, err := guarded{ImageReference: ref, stall: s.opts.Stall}.NewImageSource(ctx, &sys)
	if err != nil {
		done()
		return nil, err
	}
	o := &opened{src, nil, done}
	b, mime, err := src.GetManifest(ctx, nil)
	if err != nil {
		_ = src.Close()
		done()
		return nil, err
	}
	if manifest.MIMETypeIsMultiImage(manifest.NormalizedMIMEType(mime)) || manifest.GuessMIMEType(b) == imgspec.MediaTypeImageIndex {
		o.instance = &d
	}
	return o, nil
}
