package image

import (
	"context"
	"fmt"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// readMembers reads the manifest at ref, and, if it is a list, what that says.
func (s *Store) readMembers(ctx context.Context, ref types.ImageReference, from func(digest.Digest) string, all bool, sys *types.SystemContext) ([]member, error) {
	src, err := guarded{ImageReference: ref, stall: s.opts.Stall}.NewImageSource(ctx, sys)
	if err != nil {
		return nil, simplify(err)
	}
	defer src.Close()
	raw, mime, err := src.GetManifest(ctx, nil)
	if err != nil {
		return nil, simplify(err)
	}
	mime = manifest.NormalizedMIMEType(mime)
	if !manifest.MIMETypeIsMultiImage(mime) {
		d, err := describe(ctx, sys, src, raw, mime)
		if err != nil {
			return nil, simplify(err)
		}
		if err := s.allowed(ctx, ref, nil, d.Digest, sys); err != nil {
			return nil, err
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
		m.from = from(m.Digest)
		if err := s.allowed(ctx, ref, &m.Digest, m.Digest, sys); err != nil {
			return nil, err
		}
		if err := checkMember(ctx, src, m); err != nil {
			return nil, simplify(err)
		}
	}
	return members, nil
}

// checkMember makes sure that what a list says of an image is so.
func checkMember(ctx context.Context, src types.ImageSource, m *member) error {
	b, mime, err := image.UnparsedInstance(src, &m.Digest).Manifest(ctx)
	if err != nil {
		return err
	}
	mime = manifest.NormalizedMIMEType(mime)
	if int64(len(b)) != m.Size || m.MediaType != "" && mime != m.MediaType {
		return fmt.Errorf("%w list: %s is of %d bytes and %.80q, the list says %d and %.80q", ErrInvalid, m.Digest, len(b), mime, m.Size, m.MediaType)
	}
	m.MediaType = mime
	return nil
}

// allowed asks policy.json, as a pull does, about the manifest at ref, which must
// be the one with the digest: a registry may send another each time.
func (s *Store) allowed(ctx context.Context, ref types.ImageReference, instance *digest.Digest, want digest.Digest, sys *types.SystemContext) error {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return simplify(dog.explain(err))
	}
	defer src.Close()
	pc, err := s.policyContext(sys)
	if err != nil {
		return err
	}
	defer func() { _ = pc.Destroy() }()
	judged := image.UnparsedInstance(src, instance)
	if ok, err := pc.IsRunningImageAllowed(ctx, judged); !ok || err != nil {
		return simplify(fmt.Errorf("image rejected: %w", dog.explain(err)))
	}
	b, _, err := judged.Manifest(ctx)
	if err != nil {
		return simplify(dog.explain(err))
	}
	if same, err := manifest.MatchesDigest(b, want); err != nil || !same {
		return fmt.Errorf("%w manifest: it is not the one that the policy was asked about", ErrInvalid)
	}
	return nil
}

// describe is what a list says of one image. What is no image of a root file
// system, an artifact, has no platform.
func describe(ctx context.Context, sys *types.SystemContext, src types.ImageSource, raw []byte, mime string) (imgspec.Descriptor, error) {
	d, err := manifest.Digest(raw)
	if err != nil {
		return imgspec.Descriptor{}, err
	}
	out := imgspec.Descriptor{MediaType: mime, Digest: d, Size: int64(len(raw))}
	m, err := manifest.FromBlob(raw, mime)
	if err != nil {
		return out, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if o, ok := m.(*manifest.OCI1); ok {
		out.ArtifactType = o.ArtifactType
	}
	kind := m.ConfigInfo().MediaType
	if out.ArtifactType != "" || kind != imgspec.MediaTypeImageConfig && kind != manifest.DockerV2Schema2ConfigMediaType {
		return out, nil
	}
	img, err := image.FromUnparsedImage(ctx, sys, image.UnparsedInstance(src, nil))
	if err != nil {
		return out, err
	}
	c, err := img.OCIConfig(ctx)
	if err != nil {
		return out, err
	}
	out.Platform = &imgspec.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures}
	return out, nil
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
