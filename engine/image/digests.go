package image

import (
	"slices"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"
)

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
