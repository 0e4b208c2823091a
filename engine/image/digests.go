package image

import (
	"slices"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"
)

// manifestDigest is the digest of the manifest that came last. The record's own
// digest stays with the first.
func manifestDigest(img *storage.Image) digest.Digest {
	if d, ok := img.BigDataDigests[storage.ImageDigestBigDataKey]; ok {
		return d
	}
	return img.Digest
}

// repoDigests are the image's names with digests in place of tags.
func repoDigests(img *storage.Image) []string {
	var out []string
	for _, n := range img.Names {
		named, err := reference.ParseNormalizedNamed(n)
		if err != nil {
			continue
		}
		for _, d := range img.Digests {
			if canonical, err := reference.WithDigest(reference.TrimNamed(named), d); err == nil {
				out = append(out, canonical.String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
