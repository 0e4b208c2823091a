package image

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/burrow-run/burrow/internal/hint"
)

// PushIndex writes the list ref, and its images unless opts say otherwise, to
// destination, "" for the registry that its name says. It returns the digest
// of the list there.
func (s *Store) PushIndex(ctx context.Context, ref, destination string, opts PushOptions) (digest.Digest, error) {
	x, err := s.index(ref)
	if err != nil {
		return "", err
	}
	if destination == "" {
		if x.name == "" {
			return "", hint.New(fmt.Errorf("push %s: an ID does not say where to", ref), "burrow manifest push "+ref+" REGISTRY/NAME[:TAG]")
		}
		destination = x.name
	}
	to, err := pushTarget(destination)
	if err != nil {
		return "", err
	}
	if to.Transport().Name() == "docker-archive" {
		return "", hint.New(fmt.Errorf("push %s: a docker-archive cannot hold a list of images: %w", destination, ErrNotSupported), "use oci-archive: or oci:")
	}
	j, err := s.newPush(ctx, to, opts)
	if err != nil {
		return "", err
	}
	co, err := listOptions(j)
	if err != nil {
		return "", err
	}
	from, err := s.listSource(x, j)
	if err != nil {
		return "", err
	}
	m, err := s.tryPush(ctx, j, func() ([]byte, error) { return s.pushListOnce(ctx, j, from, co) })
	if err != nil {
		to.undo()
		err = to.explain("push", err)
		if opts.ListOnly && code(err.Error(), "blob unknown to registry)") {
			err = hint.New(err, "the registry does not have the images as the list names them: push without --all=false")
		}
		return "", err
	}
	if to.name != nil {
		if err := from.remember(ctx, m); err != nil {
			s.log.Warn("what was pushed is not remembered", slog.Any("error", err))
		}
	}
	return manifest.Digest(m)
}

// listOptions say what of a list is copied and how.
func listOptions(j *pushJob) (*copy.Options, error) {
	co := &copy.Options{
		RemoveSignatures: true, ImageListSelection: copy.CopyAllImages,
		ForceManifestMIMEType: j.mime, ForceCompressionFormat: j.opts.ForceCompression,
		SignBySigstorePrivateKeyFile: j.opts.SigstoreKey, SignSigstorePrivateKeyPassphrase: j.opts.Passphrase,
		MaxParallelDownloads: j.opts.Parallel, SignIdentity: j.identity, PreserveDigests: j.opts.PreserveDigests,
		OciEncryptConfig: j.crypt.encrypt, OciEncryptLayers: j.crypt.layers,
	}
	if j.opts.Format == "v2s1" {
		return nil, hint.New(fmt.Errorf("a list in manifest format v2s1: %w", ErrNotSupported), "use --format oci or v2s2")
	}
	if j.opts.ListOnly {
		if len(j.opts.Variants) > 0 {
			return nil, fmt.Errorf("images in other compressions, but no images: %w", ErrNotSupported)
		}
		co.ImageListSelection = copy.CopySpecificImages
	}
	for _, name := range j.opts.Variants {
		a, err := compression.AlgorithmByName(name)
		if err != nil || !knownCompression(a.Name()) {
			return nil, hint.New(fmt.Errorf("compression %q: %w", name, ErrNotSupported), "use gzip, zstd or zstd:chunked")
		}
		co.EnsureCompressionVariantsExist = append(co.EnsureCompressionVariantsExist, copy.OptionCompressionVariant{Algorithm: a})
	}
	return co, nil
}

func (s *Store) pushListOnce(ctx context.Context, j *pushJob, from *listRef, co *copy.Options) ([]byte, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	var moved atomic.Bool
	from.heard = func() {
		moved.Store(true)
		dog.timer.Reset(dog.stall)
	}
	pc, err := policyForSave() // what it consists of was judged when it was added
	if err != nil {
		return nil, err
	}
	defer func() { _ = pc.Destroy() }()
	o := *co
	o.SourceCtx, o.DestinationCtx, o.ReportWriter = j.sys, j.sys, s.opts.Progress
	m, err := copy.Image(ctx, pc, j.to.ImageReference, from, &o)
	return m, simplify(midway(dog.explain(err), moved.Load()))
}

// listSource is x as a source of images for j.
func (s *Store) listSource(x *index, j *pushJob) (*listRef, error) {
	var raw []byte
	var err error
	if j.mime == manifest.DockerV2Schema2MediaType {
		raw, err = x.asDocker()
	} else {
		raw, err = json.Marshal(x.Index)
	}
	if err != nil {
		return nil, fmt.Errorf("push list: %w", err)
	}
	return &listRef{target: target{store: s}, x: x, j: j, raw: raw, layers: map[digest.Digest][]string{}}, nil
}

// asDocker is x as Docker's kind of list, which has features and no annotations.
func (x *index) asDocker() ([]byte, error) {
	list := manifest.Schema2ListFromComponents(nil)
	for _, m := range x.Index.Manifests {
		if m.Platform == nil || m.Platform.OS == "" || m.Platform.Architecture == "" {
			return nil, hint.New(fmt.Errorf("%s has no platform, which Docker's kind of list cannot say: %w", m.Digest, ErrNotSupported), "use --format oci")
		}
		p := m.Platform
		list.Manifests = append(list.Manifests, manifest.Schema2ManifestDescriptor{
			Schema2Descriptor: manifest.Schema2Descriptor{MediaType: m.MediaType, Size: m.Size, Digest: m.Digest, URLs: m.URLs},
			Platform: manifest.Schema2PlatformSpec{
				Architecture: p.Architecture, OS: p.OS, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures, Variant: p.Variant, Features: x.Features[m.Digest],
			},
		})
	}
	return json.Marshal(list)
}

// remember notes as what blobs the layers of stored images went to the
// repository. The images stand in the list that was written as they stood in x.
func (r *listRef) remember(ctx context.Context, written []byte) error {
	list, err := manifest.ListFromBlob(written, manifest.GuessMIMEType(written))
	if err != nil {
		return err
	}
	there := list.Instances()
	if len(r.layers) == 0 || len(there) < len(r.x.Index.Manifests) {
		return nil
	}
	src, err := r.j.to.NewImageSource(ctx, r.j.sys)
	if err != nil {
		return err
	}
	defer src.Close()
	for i, m := range r.x.Index.Manifests {
		layers, stored := r.layers[m.Digest]
		if !stored {
			continue
		}
		b, _, err := src.GetManifest(ctx, &there[i])
		if err == nil {
			err = r.store.rememberBlobs(layers, b, r.j.to.name.Name(), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
