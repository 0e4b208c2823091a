package image

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/memory"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
)

// A layer is stored unpacked, but registries have it compressed. Which blobs
// stand for a layer is known from the manifests that the image came with, and
// from what was pushed before. A blob that the registry has, in the repository
// or in one that it can be mounted from, need not be made and sent again, and
// where it has all of them the manifest goes as it came, with the same digest.

// pushed is an image on its way out.
type pushed struct {
	config   digest.Digest
	layers   []string         // IDs, bottom first
	original []types.BlobInfo // what its manifest names
	plain    []types.BlobInfo // what the store has in place of that
}

func (s *Store) pushed(ctx context.Context, img *storage.Image, from *stored, sys *types.SystemContext) (*pushed, error) {
	p := &pushed{config: digest.NewDigestFromEncoded(digest.SHA256, img.ID)}
	key := storage.ImageDigestBigDataKey
	if from.instance != nil {
		key = storage.ImageDigestManifestBigDataNamePrefix + "-" + from.instance.String()
	}
	raw, err := s.store.ImageBigData(img.ID, key)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	man, err := manifest.FromBlob(raw, manifest.GuessMIMEType(raw))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	for _, l := range man.LayerInfos() {
		p.original = append(p.original, l.BlobInfo)
	}
	if p.layers, err = s.chain(img.TopLayer); err != nil {
		return nil, err
	}
	slices.Reverse(p.layers)
	src, err := from.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	p.plain, err = src.LayerInfosForCopy(ctx, from.instance)
	if err = errors.Join(err, src.Close()); err != nil {
		return nil, err
	}
	if len(p.plain) != len(p.layers) || len(p.original) != len(p.layers) {
		return nil, fmt.Errorf("%w: the manifest has %d layers, the store %d", ErrInvalid, len(p.original), len(p.layers))
	}
	return p, nil
}

// candidates are the blobs that may stand for the i-th layer. want is the
// compression asked for, "" for none in particular; docker says that the
// manifest can name no other than gzip.
func (s *Store) candidates(p *pushed, i int, registry, want string, docker bool) []types.BlobInfo {
	list := []types.BlobInfo{p.original[i]}
	for _, d := range s.blobsOf(p.layers[i]) {
		if d.Claimed && len(within(d.Repositories, registry)) == 0 {
			continue
		}
		list = append(list, types.BlobInfo{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, Annotations: d.Annotations})
	}
	var out []types.BlobInfo
	for n, b := range list {
		a := algorithm(b.MediaType, b.Annotations)
		switch {
		case a == "", docker && a != compression.Gzip.Name():
		case a == want, want == "" && (n == 0 || a == compression.Gzip.Name()):
			out = append(out, b)
		}
	}
	return out
}

// reuse asks a registry which blobs it has, and makes from consist of them as
// far as possible. Where all are those of its manifest, the image library
// leaves the manifest as it is.
func (s *Store) reuse(ctx context.Context, from *stored, to types.ImageReference, sys *types.SystemContext, p *pushed, want string, docker bool) error {
	dest, err := to.NewImageDestination(ctx, sys)
	if err != nil {
		return err
	}
	defer dest.Close()
	named := to.DockerReference()
	repos, err := s.neighbours(named, p.layers)
	if err != nil {
		return err
	}
	// The first question is asked alone, and its answer says whether the registry
	// lets us in: the library asks for several layers at once, and would offer a
	// wrong password as often.
	if _, _, err := dest.TryReusingBlob(ctx, types.BlobInfo{Digest: p.config, Size: -1}, memory.New(), false); err != nil {
		return err
	}
	from.layers = slices.Clone(p.plain)
	for i, id := range p.layers {
		for _, blob := range s.candidates(p, i, reference.Domain(named), want, docker) {
			cache := locations(to.Transport(), reference.Domain(named), blob, repos[id])
			has, _, err := dest.TryReusingBlob(ctx, blob, cache, false)
			if err != nil {
				return midway(err, true)
			}
			if has {
				from.layers[i] = blob
				break
			}
		}
	}
	same := func(a, b types.BlobInfo) bool { return a.Digest == b.Digest }
	if !slices.EqualFunc(from.layers, p.original, same) { // it is another image now
		for i := range from.layers {
			if same(from.layers[i], p.original[i]) {
				from.layers[i].Annotations = unchunked(from.layers[i].Annotations)
			}
		}
	}
	return nil
}

// locations tells the image library in which repositories a blob may be, for
// it to mount it from there. It only believes so of blobs whose compression it
// was told, by a method with an argument of a type that only it can name. Were
// that to change, blobs would be sent that need not be, and a test would fail.
func locations(t types.ImageTransport, registry string, blob types.BlobInfo, repos []string) types.BlobInfoCache {
	cache := memory.New()
	for _, repo := range repos {
		cache.RecordKnownLocation(t, types.BICTransportScope{Opaque: registry}, blob.Digest, types.BICLocationReference{Opaque: repo})
	}
	record := reflect.ValueOf(cache).MethodByName("RecordDigestCompressorData")
	if !record.IsValid() || record.Type().NumIn() != 2 || record.Type().In(1).Kind() != reflect.Struct {
		return cache
	}
	data := reflect.New(record.Type().In(1)).Elem()
	base, specific := data.FieldByName("BaseVariantCompressor"), data.FieldByName("SpecificVariantCompressor")
	if base.Kind() == reflect.String && specific.Kind() == reflect.String {
		a, _, _ := strings.Cut(algorithm(blob.MediaType, blob.Annotations), ":") // chunked zstd is zstd
		base.SetString(a)
		specific.SetString("unknown")
		record.Call([]reflect.Value{reflect.ValueOf(blob.Digest), data})
	}
	return cache
}

// neighbours are the repositories of the registry that are likely to have a
// layer: those to which it was pushed, and those after which images of the
// store are named that have it too.
func (s *Store) neighbours(named reference.Named, ids []string) (map[string][]string, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, id := range ids {
		for _, b := range s.blobsOf(id) {
			out[id] = append(out[id], within(b.Repositories, reference.Domain(named))...)
		}
	}
	for i := range images {
		for _, repo := range within(images[i].Names, reference.Domain(named)) {
			for id := images[i].TopLayer; id != "" && layers[id] != nil; id = layers[id].Parent {
				if slices.Contains(ids, id) && !slices.Contains(out[id], repo) {
					out[id] = append(out[id], repo)
				}
			}
		}
	}
	return out, nil
}

// within are the repositories of names that a registry has.
func within(names []string, domain string) []string {
	var out []string
	for _, n := range names {
		named, err := reference.ParseNormalizedNamed(n)
		if err == nil && reference.Domain(named) == domain && !slices.Contains(out, named.Name()) {
			out = append(out, named.Name())
		}
	}
	return out
}
