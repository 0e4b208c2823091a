package image

import (
	"context"
	"fmt"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// readMembers reads the manifest at ref, and, if it is a list, what that says.
// Every manifest is read once: the one that policy.json is asked about, as for a
// pull, is the one that is taken, whatever a registry sends the next time.
func (s *Store) readMembers(ctx context.Context, ref types.ImageReference, from func(digest.Digest) string, all bool, sys *types.SystemContext) ([]member, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, simplify(dog.explain(err))
	}
	defer src.Close()
	pc, err := s.policyContext(sys)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pc.Destroy() }()
	top := image.UnparsedInstance(src, nil)
	raw, mime, err := readManifest(ctx, top)
	if err != nil {
		return nil, simplify(dog.explain(err))
	}
	if !manifest.MIMETypeIsMultiImage(mime) {
		d, err := allowed(ctx, pc, top)
		if err == nil {
			err = addPlatform(ctx, sys, top, raw, &d)
		}
		if err != nil {
			return nil, simplify(dog.explain(err))
		}
		return []member{{Descriptor: d, from: from(d.Digest)}}, nil
	}
	x, err := parseIndex(raw, mime)
	if err != nil {
		return nil, err
	}
	members, err := x.members(all, sys)
	if err != nil {
		return nil, err
	}
	for i := range members {
		m := &members[i]
		dog.timer.Reset(dog.stall)
		d, err := allowed(ctx, pc, image.UnparsedInstance(src, &m.Digest))
		if err != nil {
			return nil, simplify(dog.explain(err))
		}
		if d.Size != m.Size || m.MediaType != "" && d.MediaType != m.MediaType {
			return nil, fmt.Errorf("%w list: %s is of %d bytes and %.80q, the list says %d and %.80q", ErrInvalid, m.Digest, d.Size, d.MediaType, m.Size, m.MediaType)
		}
		m.MediaType, m.from = d.MediaType, from(m.Digest)
	}
	return members, nil
}

// readManifest refuses what two readers could take for two things.
func readManifest(ctx context.Context, img *image.UnparsedImage) ([]byte, string, error) {
	b, mime, err := img.Manifest(ctx)
	if err != nil {
		return nil, "", err
	}
	mime = manifest.NormalizedMIMEType(mime)
	return b, mime, checkManifest(b, mime)
}

// allowed asks the policy and describes what it has been asked about.
func allowed(ctx context.Context, pc *signature.PolicyContext, img *image.UnparsedImage) (imgspec.Descriptor, error) {
	if ok, err := pc.IsRunningImageAllowed(ctx, img); !ok || err != nil {
		return imgspec.Descriptor{}, fmt.Errorf("image rejected: %w", err)
	}
	b, mime, err := readManifest(ctx, img) // it is kept: this is no second request
	if err != nil {
		return imgspec.Descriptor{}, err
	}
	d, err := manifest.Digest(b)
	return imgspec.Descriptor{MediaType: mime, Digest: d, Size: int64(len(b))}, err
}

// addPlatform says what an image is for. What is no image of a root file system,
// an artifact, is for none.
func addPlatform(ctx context.Context, sys *types.SystemContext, img *image.UnparsedImage, raw []byte, d *imgspec.Descriptor) error {
	m, err := manifest.FromBlob(raw, d.MediaType)
	if err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if o, ok := m.(*manifest.OCI1); ok {
		d.ArtifactType = o.ArtifactType
	}
	kind := m.ConfigInfo().MediaType
	if d.ArtifactType != "" || kind != imgspec.MediaTypeImageConfig && kind != manifest.DockerV2Schema2ConfigMediaType {
		return nil
	}
	parsed, err := image.FromUnparsedImage(ctx, sys, img)
	if err != nil {
		return err
	}
	c, err := parsed.OCIConfig(ctx)
	if err != nil {
		return err
	}
	d.Platform = &imgspec.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures}
	return nil
}

// parseIndex reads a list of either kind.
func parseIndex(raw []byte, mime string) (*index, error) {
	x := &index{indexData: indexData{From: map[digest.Digest]string{}}}
	if mime == imgspec.MediaTypeImageIndex {
		list, err := manifest.OCI1IndexFromManifest(raw)
		if err != nil {
			return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
		}
		x.Index = list.Index
	} else {
		list, err := manifest.Schema2ListFromManifest(raw)
		if err != nil {
			return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
		}
		for _, m := range list.Manifests {
			p := m.Platform
			x.put(member{features: p.Features, Descriptor: imgspec.Descriptor{
				MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, URLs: m.URLs,
				Platform: &imgspec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures},
			}})
		}
	}
	for _, m := range x.Index.Manifests {
		if err := m.Digest.Validate(); err != nil || m.Digest.Algorithm() != digest.SHA256 {
			return nil, fmt.Errorf("%w list: %.80q is no sha256 digest", ErrInvalid, m.Digest.String())
		}
		if manifest.MIMETypeIsMultiImage(m.MediaType) {
			return nil, hint.New(fmt.Errorf("%w list: %s in it is a list too", ErrInvalid, m.Digest), "add the images of the inner list")
		}
	}
	return x, nil
}
