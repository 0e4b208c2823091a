package image

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/storage/pkg/chunked/toc"
)

// A layer is stored unpacked; here is noted as what blobs it came and went.

// Of a layer so many blobs are remembered, and of a blob so many repositories.
const maxBlobs, maxRepositories = 4, 8

// madeBlob is a blob that was made of a layer, and where it was pushed to.
type madeBlob struct {
	imgspec.Descriptor
	Repositories []string `json:"repositories"`
	// Claimed says that the layer was put together of parts of the blob: that the
	// blob is it was never compared, and only those who had said so are to hear it.
	Claimed bool `json:"claimed,omitempty"`
}

// blobsFile holds the blobs that were made of a layer.
func (s *Store) blobsFile(layer string) string {
	return filepath.Join(s.dirs.Data, "layers", layer+".blobs.json")
}

// blobsOf returns the blobs that were pushed for a layer. Where the file is
// missing or damaged they are made again.
func (s *Store) blobsOf(layer string) []madeBlob {
	b, err := os.ReadFile(s.blobsFile(layer))
	var out []madeBlob
	if err != nil || json.Unmarshal(b, &out) != nil {
		return nil
	}
	return out
}

func (s *Store) forgetBlobs(layer string) {
	for _, suffix := range []string{"", ".new"} {
		if err := os.Remove(s.blobsFile(layer) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("list of blobs left behind", slog.String("layer", layer), slog.Any("error", err))
		}
	}
}

// rememberBlobs notes of what blobs the manifest consists that was pushed to
// the repository, or came from there, as came tells.
func (s *Store) rememberBlobs(layers []string, m []byte, repository string, came []*layerDraft) error {
	man, err := manifest.FromBlob(m, manifest.GuessMIMEType(m))
	if err != nil {
		return err
	}
	infos := man.LayerInfos()
	if len(infos) != len(layers) {
		return nil
	}
	for i, id := range layers {
		d := imgspec.Descriptor{MediaType: infos[i].MediaType, Digest: infos[i].Digest, Size: infos[i].Size, Annotations: infos[i].Annotations}
		if algorithm(d.MediaType, d.Annotations) == "" {
			continue
		}
		claimed := false
		if came != nil {
			d.Annotations = unchunked(d.Annotations)
			claimed = came[i].claimed
		}
		if err := s.rememberBlob(id, madeBlob{Descriptor: d, Claimed: claimed}, repository); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) rememberBlob(layer string, made madeBlob, repository string) error {
	known := s.blobsOf(layer)
	if i := slices.IndexFunc(known, func(k madeBlob) bool { return k.Digest == made.Digest }); i >= 0 {
		if known[i].Claimed && !made.Claimed { // it was pushed because of that very note
			return nil
		}
		made = known[i]
		known = slices.Delete(known, i, i+1)
	}
	if slices.Contains(made.Repositories, repository) {
		return nil
	}
	made.Repositories = append([]string{repository}, made.Repositories...)
	made.Repositories = made.Repositories[:min(len(made.Repositories), maxRepositories)]
	known = append([]madeBlob{made}, known...)
	b, err := json.Marshal(known[:min(len(known), maxBlobs)])
	if err != nil {
		return err
	}
	path := s.blobsFile(layer)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".new" // two that write at once may spoil it: see blobsOf
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// rememberSource notes where the blobs of an image came from.
func (s *Store) rememberSource(d *draft, from reference.Named) error {
	layers := make([]string, len(d.layers))
	top := ""
	for i, l := range d.layers {
		top = layerID(top, l.diffID)
		layers[i] = top
	}
	return s.rememberBlobs(layers, d.manifest, from.Name(), d.layers)
}

// unchunked are annotations without those by which others would unpack parts
// of a layer: nobody has compared the parts with the whole.
func unchunked(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	maps.DeleteFunc(out, func(key, _ string) bool {
		_, chunked := toc.ChunkedAnnotations[key]
		return chunked
	})
	return out
}

// algorithm is the name of the compression that a media type stands for, ""
// for none or one that nobody knows.
func algorithm(mime string, annotations map[string]string) string {
	switch mime {
	case imgspec.MediaTypeImageLayerGzip, manifest.DockerV2Schema2LayerMediaType:
		return compression.Gzip.Name()
	case imgspec.MediaTypeImageLayerZstd:
		if d, err := toc.GetTOCDigest(annotations); err == nil && d != nil {
			return compression.ZstdChunked.Name()
		}
		return compression.Zstd.Name()
	}
	return ""
}
