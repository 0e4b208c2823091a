package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	digest "github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	tarsplit "github.com/vbatts/tar-split/tar/storage"
	"go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// stored is an image of the store as a source. The storage library's own
// spools every layer to a file first, under a lock; this one makes the layer's
// tar, bit by bit what it was, while it is read, and holds no lock.
type stored struct {
	types.ImageReference
	store *Store
	// layers, if set, replace what the image is said to consist of: blobs that
	// the destination is known to have.
	layers []types.BlobInfo
	// instance is the digest of the one manifest that is meant; nil is the
	// image's last.
	instance *digest.Digest
	// heard is called whenever the source is used; nil is nobody.
	heard func()
}

func (s *Store) source(id string) (*stored, error) {
	ref, err := storage.Transport.NewStoreReference(s.store, nil, id)
	if err != nil {
		return nil, err
	}
	return &stored{ImageReference: ref, store: s}, nil
}

func (r *stored) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	src, err := r.ImageReference.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return &storedSource{src, r}, nil
}

type storedSource struct {
	types.ImageSource
	ref *stored
}

func (s *storedSource) LayerInfosForCopy(ctx context.Context, instance *digest.Digest) ([]types.BlobInfo, error) {
	if s.ref.layers != nil {
		return s.ref.layers, nil
	}
	return s.ImageSource.LayerInfosForCopy(ctx, instance)
}

func (s *storedSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	layers, err := s.ref.store.store.LayersByUncompressedDigest(info.Digest)
	if err == nil && len(layers) > 0 {
		body, err := s.ref.store.tarOf(layers[0].ID)
		if err == nil {
			return &heard{body, s.ref.heard}, layers[0].UncompressedSize, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("read layer %.12s: %w", layers[0].ID, err)
		}
	}
	body, size, err := s.ImageSource.GetBlob(ctx, info, cache) // the configuration, or a layer that others stored
	if err != nil {
		return nil, 0, err
	}
	return &heard{body, s.ref.heard}, size, nil
}

type heard struct {
	io.ReadCloser
	tell func()
}

func (h *heard) Read(p []byte) (int, error) {
	if h.tell != nil {
		h.tell()
	}
	return h.ReadCloser.Read(p)
}

// tarOf makes the tar again that the layer was unpacked from. Content that is
// not what it was is an error of the reader.
func (s *Store) tarOf(id string) (io.ReadCloser, error) {
	meta, err := os.Open(filepath.Join(s.root, driver+"-layers", id+".tar-split.gz"))
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(meta)
	if err != nil {
		return nil, errors.Join(err, meta.Close())
	}
	root, err := s.openLayer(id)
	if err != nil {
		return nil, errors.Join(err, meta.Close())
	}
	r, w := io.Pipe()
	t := &layerTar{PipeReader: r, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		err := asm.WriteOutputTarStream(layerFiles{root}, tarsplit.NewJSONUnpacker(z), w)
		if err != nil {
			err = hint.New(fmt.Errorf("layer %.12s is damaged: %w", id, err), "remove the images that have it, with burrow rmi --force, and pull them again")
		}
		w.CloseWithError(errors.Join(err, root.Close(), meta.Close()))
	}()
	return t, nil
}

type layerTar struct {
	*io.PipeReader
	ended chan struct{}
}

// Close returns when no file of the layer is open any more.
func (t *layerTar) Close() error {
	err := t.PipeReader.Close()
	<-t.ended
	return err
}

// layerFiles opens the files that tar-split names, and nothing else: no link
// leads anywhere.
type layerFiles struct{ root *os.File }

func (l layerFiles) Get(name string) (io.ReadCloser, error) {
	f, err := sys.OpenBeneath(l.root, name, unix.O_RDONLY|unix.O_NONBLOCK, 0) // damaged, it may be a pipe
	if err != nil {
		return nil, err
	}
	return f, nil
}
