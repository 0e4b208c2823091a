package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/chunked"
	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/internal/hint"
)

// errGone means that a stored layer that was to be reused has been removed
// meanwhile. Copying again fetches it.
var errGone = errors.New("a layer was removed while the image was being stored")

// destination receives an image from the image library: blobs in any order and
// in parallel, then the manifest, then Commit. In place of the library's own
// it unpacks each layer while it arrives.
type destination struct {
	ref   *target
	store *Store

	mu       sync.Mutex
	blobs    map[digest.Digest]*layerDraft // by digest as in the manifest
	config   []byte
	manifest []byte
	mime     string

	refused int // how many layers had been refused before this copy
}

var _ types.ImageDestination = (*destination)(nil)

func (d *destination) Reference() types.ImageReference { return d.ref }
func (d *destination) SupportsSignatures(context.Context) error {
	return errors.New("signatures are not stored")
}

func (d *destination) DesiredLayerCompression() types.LayerCompression { return types.PreserveOriginal }
func (d *destination) AcceptsForeignLayerURLs() bool                   { return false }
func (d *destination) MustMatchRuntimeOS() bool                        { return true }
func (d *destination) IgnoresEmbeddedDockerReference() bool            { return true }
func (d *destination) HasThreadSafePutBlob() bool                      { return true }

func (d *destination) SupportedManifestMIMETypes() []string {
	return []string{imgspec.MediaTypeImageManifest, manifest.DockerV2Schema2MediaType}
}

// Close discards what was not committed, unless the next copy needs it.
func (d *destination) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ref.partials.refusals() > d.refused {
		d.ref.kept = d.blobs
		return nil
	}
	for _, l := range d.blobs {
		if l.staged != nil {
			d.store.discard(l.staged)
		}
	}
	return nil
}

// PutBlob reads stream to its end; the library verifies digest and size on
// the way and reports a mismatch as a read error.
func (d *destination) PutBlob(ctx context.Context, stream io.Reader, info types.BlobInfo, _ types.BlobInfoCache, isConfig bool) (types.BlobInfo, error) {
	if info.Digest != "" {
		if err := info.Digest.Validate(); err != nil {
			return types.BlobInfo{}, fmt.Errorf("%w: digest %.80q: %w", ErrInvalid, info.Digest.String(), err)
		}
	}
	if isConfig {
		return d.putConfig(stream)
	}
	if info.Digest != "" && strings.HasSuffix(info.MediaType, "+encrypted") { // decrypted ones have lost their digest
		return types.BlobInfo{}, hint.New(fmt.Errorf("layer %.19s is encrypted", info.Digest), "give the key: --decryption-key FILE")
	}
	if piece, err := d.ref.inFile.open(info.Digest); err != nil || piece != nil {
		return d.putPiece(ctx, piece, info, err)
	}
	one, stream, err := d.ref.partials.of(info.Digest, stream)
	if err != nil {
		return types.BlobInfo{}, err
	}
	if one != nil {
		return d.putParts(ctx, one, stream, info)
	}
	places := chunkedPlaces(info)
	count := &capture{r: stream}
	if places != nil && places.Table.Length <= info.Size/maxTables {
		count.want = chunked.Range{From: places.Table.Offset, To: places.Table.Offset + places.Table.Length}
	}
	stream = count
	digester := digest.Canonical.Digester()
	if info.Digest == "" {
		stream = io.TeeReader(stream, digester.Hash())
	}
	staged, err := d.store.stage(ctx, stream, claim{info.Digest, info.Digest != ""})
	if err != nil {
		return types.BlobInfo{}, err
	}
	info.Size = count.at
	if count.got != nil {
		if staged.content, err = d.store.indexOf(ctx, info.Digest, places, count.got); err != nil {
			d.store.log.Debug("what a layer has is not noted", slog.Any("error", err))
		}
	}
	if info.Digest == "" {
		info.Digest = digester.Digest()
		staged.out.CompressedDigest = info.Digest
	}
	return d.keep(info, &layerDraft{staged: staged, diffID: staged.diffID, blobSize: count.at}), nil
}

// keep remembers what was made of a blob.
func (d *destination) keep(info types.BlobInfo, l *layerDraft) types.BlobInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, twice := d.blobs[info.Digest]; twice {
		d.store.discard(l.staged)
	} else {
		d.blobs[info.Digest] = l
	}
	return types.BlobInfo{Digest: info.Digest, Size: info.Size}
}

// putParts is PutBlob for the parts of a blob. What goes wrong here is no error of
// the pull: the layer comes whole then.
func (d *destination) putParts(ctx context.Context, one *partial, stream io.Reader, info types.BlobInfo) (types.BlobInfo, error) {
	tar := one.assemble(stream)
	staged, err := d.store.stage(ctx, tar, claim{}) // the blob's digest was not compared
	if err = errors.Join(err, tar.Close()); err == nil && staged.diffID != one.diffID {
		d.store.discard(staged)
		err = fmt.Errorf("it unpacks to %s, the config says %s", staged.diffID, one.diffID)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT): // whole it needs as much
		return types.BlobInfo{}, err
	default:
		d.ref.partials.refuse(info.Digest, err)
		return types.BlobInfo{}, errWhole
	}
	staged.content = one.index
	return d.keep(info, &layerDraft{staged: staged, diffID: staged.diffID, blobSize: info.Size, claimed: true}), nil
}

// putPiece is PutBlob for a layer that is a piece of a file. Its digest is the diff ID,
// and nobody but the worker has read it.
func (d *destination) putPiece(ctx context.Context, piece *unpack.Section, info types.BlobInfo, err error) (types.BlobInfo, error) {
	if err != nil {
		return types.BlobInfo{}, err
	}
	defer piece.Close()
	staged, err := d.store.stage(ctx, piece, claim{digest: info.Digest})
	if err != nil {
		return types.BlobInfo{}, err
	}
	if staged.diffID != info.Digest {
		d.store.discard(staged)
		return types.BlobInfo{}, fmt.Errorf("%w: a layer unpacks to %s, the config says %s", ErrInvalid, staged.diffID, info.Digest)
	}
	return d.keep(info, &layerDraft{staged: staged, diffID: staged.diffID, blobSize: staged.size}), nil
}

func (d *destination) putConfig(stream io.Reader) (types.BlobInfo, error) {
	b, err := io.ReadAll(io.LimitReader(stream, maxConfig+1))
	if err != nil {
		return types.BlobInfo{}, fmt.Errorf("read image config: %w", err)
	}
	if _, err := parseConfig(b); err != nil {
		return types.BlobInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config = b
	return types.BlobInfo{Digest: digest.FromBytes(b), Size: int64(len(b))}, nil
}

// TryReusingBlob finds the layer among those that are stored. Their digests
// were computed here, so equal digest means equal content.
func (d *destination) TryReusingBlob(ctx context.Context, info types.BlobInfo, _ types.BlobInfoCache, _ bool) (bool, types.BlobInfo, error) {
	if err := info.Digest.Validate(); err != nil {
		return false, types.BlobInfo{}, fmt.Errorf("%w: digest %.80q: %w", ErrInvalid, info.Digest.String(), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.blobs[info.Digest]; ok {
		return true, types.BlobInfo{Digest: info.Digest, Size: info.Size}, nil
	}
	if info.Size < 0 {
		return false, types.BlobInfo{}, nil
	}
	l, err := d.store.layerOf(info.Digest)
	if err != nil {
		return false, types.BlobInfo{}, err
	}
	if l == nil {
		if l = d.ref.partials.present(ctx, info); l == nil {
			return false, types.BlobInfo{}, nil
		}
	}
	d.blobs[info.Digest] = l
	return true, types.BlobInfo{Digest: info.Digest, Size: info.Size}, nil
}

func (d *destination) PutManifest(_ context.Context, m []byte, instance *digest.Digest) error {
	if instance != nil {
		return errors.New("bug: the destination stores no manifest list")
	}
	d.manifest, d.mime = m, manifest.GuessMIMEType(m)
	return nil
}

func (d *destination) PutSignatures(_ context.Context, sigs [][]byte, _ *digest.Digest) error {
	if len(sigs) > 0 {
		return errors.New("bug: signatures are not stored")
	}
	return nil
}

// Commit checks that manifest, configuration and layers belong together and
// stores the image.
func (d *destination) Commit(ctx context.Context, toplevel types.UnparsedImage) error {
	dr, err := d.draft()
	if err != nil {
		return err
	}
	top, _, err := toplevel.Manifest(ctx)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	if manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(top)) {
		dr.index = top
	}
	if err := d.store.put(ctx, dr); err != nil {
		return err
	}
	d.ref.id = dr.id
	if d.ref.from != nil {
		if err := d.store.rememberSource(dr, d.ref.from); err != nil {
			d.store.log.Warn("where the layers came from is not remembered", slog.Any("error", err))
		}
	}
	return nil
}

func (d *destination) draft() (*draft, error) {
	m, err := manifest.FromBlob(d.manifest, d.mime)
	if err != nil {
		return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if err := checkJSON(d.manifest); err != nil {
		return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if d.config == nil {
		return nil, fmt.Errorf("%w manifest: it has no configuration", ErrInvalid)
	}
	c, err := parseConfig(d.config)
	if err != nil {
		return nil, err
	}
	dr := &draft{manifest: d.manifest, config: d.config, names: d.ref.names}
	dr.id = digest.FromBytes(d.config).Encoded()
	if c.Created != nil {
		dr.created = *c.Created
	}
	if dr.layers, err = d.match(m.LayerInfos(), c.RootFS.DiffIDs); err != nil {
		return nil, err
	}
	return dr, d.checkID(dr.id)
}

// match pairs the manifest's layers with the configuration's. What a layer is
// called must be what was unpacked: otherwise two engines would see two images.
func (d *destination) match(infos []manifest.LayerInfo, diffIDs []digest.Digest) ([]*layerDraft, error) {
	if len(infos) != len(diffIDs) {
		return nil, fmt.Errorf("%w: the manifest has %d layers, the config %d", ErrInvalid, len(infos), len(diffIDs))
	}
	layers := make([]*layerDraft, len(infos))
	for i, info := range infos {
		l, ok := d.blobs[info.Digest]
		if !ok {
			return nil, fmt.Errorf("bug: layer %s was not stored", info.Digest)
		}
		if l.staged != nil && info.Size >= 0 && l.blobSize != info.Size {
			return nil, fmt.Errorf("%w: layer %s has %d bytes, the manifest says %d", ErrInvalid, info.Digest, l.blobSize, info.Size)
		}
		if l.diffID != diffIDs[i] {
			return nil, otherLayer(fmt.Errorf("%w: layer %d unpacks to %s, the config says %s", ErrInvalid, i, l.diffID, diffIDs[i]), info)
		}
		layers[i] = l
	}
	return layers, nil
}

// checkID makes sure that the manifest names the configuration that came.
func (d *destination) checkID(id string) error {
	var m struct {
		Config struct {
			Digest    digest.Digest
			MediaType string
		}
	}
	if err := json.Unmarshal(d.manifest, &m); err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if m.Config.Digest.Encoded() != id {
		return fmt.Errorf("%w: the config's digest is sha256:%s, the manifest says %s", ErrInvalid, id, m.Config.Digest)
	}
	return nil
}

// otherLayer is an error about a layer that is not the configuration's, with what it most
// often comes from. Until 2024 what compressed a layer as zstd:chunked left out the padding
// behind the archive's end, as GNU tar writes it, and kept the diff ID of the whole
// (containers/storage issue 1771: Podman 4, Skopeo 1.9).
func otherLayer(err error, info manifest.LayerInfo) error {
	for key := range info.Annotations {
		if strings.Contains(key, "containers.zstd-chunked.") {
			return hint.New(err, "it has to be pushed again: Podman and Skopeo of before 2024 leave out the end of some layers "+
				"that they compress as zstd:chunked; zstd and gzip are whole")
		}
	}
	return err
}
