package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/engine/plan"
)

// staged is a layer that has been unpacked but belongs to no image yet.
type staged struct {
	out    *graphdriver.DriverWithDifferOutput
	diffID digest.Digest
	size   int64 // uncompressed
	owned  []unpack.Owned
	split  string // file with the compressed tar-split data
	// content is what is to be noted of the layer (content.go), or nil.
	content []byte
}

// claim is what is said of a stream.
type claim struct {
	digest digest.Digest // as it comes, compressed or not; "" for nothing
	// verified says that the stream fails at its end where it is another.
	verified bool
}

// stage unpacks r into the store's staging area. It takes no lock.
func (s *Store) stage(ctx context.Context, r io.Reader, blob claim) (*staged, error) {
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	split, err := os.CreateTemp(tmp, "split-*")
	if err != nil {
		return nil, fmt.Errorf("unpack layer: %w", err)
	}
	defer split.Close()
	d := &differ{ctx: ctx, store: s, r: r, split: split}
	if blob.verified && blob.digest.Algorithm() == digest.SHA256 {
		d.verified = blob.digest.Encoded()
	}
	out, err := s.store.PrepareStagedLayer(nil, d)
	if err == nil {
		// Whoever verifies r does so at its end, which a decompressor may not reach.
		if _, err = io.Copy(io.Discard, r); err != nil {
			_ = s.store.CleanupStagedLayer(out)
		}
	}
	if err != nil {
		d.dropStaging()
		_ = os.Remove(split.Name())
		return nil, err
	}
	out.CompressedDigest = blob.digest
	return &staged{out: out, diffID: out.UncompressedDigest, size: d.res.Size, owned: d.res.Owned, split: split.Name()}, nil
}

// discard removes what stage made. It does nothing after a commit.
func (s *Store) discard(l *staged) {
	if l.out == nil {
		return
	}
	if err := s.store.CleanupStagedLayer(l.out); err != nil {
		s.log.Warn("staged layer left behind", slog.String("dir", l.out.Target), slog.Any("error", err))
	}
	_ = os.Remove(l.split)
	l.out = nil
}

// differ lets the storage library call us to fill its staging directory.
type differ struct {
	ctx   context.Context //nolint:containedctx // the library's interface has no place for it
	store *Store
	r     io.Reader
	split *os.File
	dest  string
	// verified is the SHA-256 of r, or "" if nobody compares it.
	verified string
	res      unpack.Result
}

// dropStaging removes the directory that the library leaves behind, empty
// after a commit, full after an error.
func (d *differ) dropStaging() {
	if d.dest == "" {
		return
	}
	if err := os.RemoveAll(filepath.Dir(d.dest)); err != nil {
		d.store.log.Warn("staging directory left behind", slog.String("dir", d.dest), slog.Any("error", err))
	}
}

// Close does nothing: stage owns what there is to close.
func (d *differ) Close() error { return nil }

// ApplyDiff unpacks the layer into dest.
func (d *differ) ApplyDiff(dest string, _ *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	var none graphdriver.DriverWithDifferOutput
	d.dest = dest
	root, err := os.Open(dest)
	if err != nil {
		return none, fmt.Errorf("unpack layer: %w", err)
	}
	defer root.Close()
	d.res, err = d.store.unpack(d.ctx, root, d.r, unpack.Options{
		IgnoreChown: d.store.opts.SingleID, TarSplit: d.split, Verified: d.verified, Owned: true,
	})
	if err != nil {
		return none, err
	}
	out := graphdriver.DriverWithDifferOutput{
		Differ: d, Target: dest, Size: d.res.Size, UIDs: d.res.UIDs, GIDs: d.res.GIDs,
		UncompressedDigest: digest.NewDigestFromEncoded(digest.SHA256, d.res.DiffID),
	}
	if d.res.Root != nil {
		mode := os.FileMode(*d.res.Root & 0o777)
		out.RootDirMode = &mode
	}
	return out, nil
}

// unpack reads r to its end, in a process of its own if there is one.
func (s *Store) unpack(ctx context.Context, root *os.File, r io.Reader, opts unpack.Options) (unpack.Result, error) {
	opts.Limits = s.opts.Limits
	if s.opts.Worker != "" {
		return unpack.InWorker(ctx, s.opts.Worker, root, r, opts)
	}
	return unpack.Unpack(ctx, root, r, opts)
}

// layerID names a layer by its content and all that lies below it, as the
// storage library does, so that equal chains are stored once.
func layerID(parent string, diffID digest.Digest) string {
	if parent == "" {
		return diffID.Encoded()
	}
	sum := sha256.Sum256([]byte(parent + "+" + diffID.Encoded()))
	return hex.EncodeToString(sum[:])
}

// commit makes l a layer on top of parent and returns its ID. The caller holds
// the store's lock: a layer that exists must never be filled again, containers
// run on it.
func (s *Store) commit(parent string, l *staged) (string, error) {
	id := layerID(parent, l.diffID)
	mend := s.damaged[id] && s.hasLayer(id)
	if !mend && s.hasLayer(id) {
		s.discard(l)
		return id, nil
	}
	if err := s.writeOwned(id, l.owned); err != nil {
		return "", err
	}
	if l.content != nil {
		if err := s.writeContent(id, l.content); err != nil {
			return "", err
		}
	}
	d, ok := l.out.Differ.(*differ)
	if !ok {
		return "", errors.New("bug: foreign layer")
	}
	// The library would compress tar-split data under its lock; ours is ready.
	dir := filepath.Join(s.dirs.Storage(), driver+"-layers")
	if err := os.Rename(l.split, filepath.Join(dir, id+".tar-split.gz")); err != nil {
		return "", fmt.Errorf("store layer: %w", err)
	}
	if mend {
		return id, s.exchange(parent, id, l)
	}
	defer d.dropStaging()
	_, err := s.store.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: id, ParentLayer: parent, DiffOutput: l.out, LayerOptions: &storage.LayerOptions{},
	})
	l.out = nil
	if err != nil {
		return "", fmt.Errorf("store layer: %w", err)
	}
	return id, nil
}

func (s *Store) hasLayer(id string) bool {
	_, err := s.store.Layer(id)
	return err == nil
}

func (s *Store) ownedFile(id string) string {
	return filepath.Join(s.dirs.Data, "layers", id+".json")
}

// writeOwned remembers who owns what in a layer.
func (s *Store) writeOwned(id string, owned []unpack.Owned) error {
	b, err := json.Marshal(owned)
	if err != nil {
		return fmt.Errorf("store layer owners: %w", err)
	}
	path := s.ownedFile(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("store layer owners: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("store layer owners: %w", err)
	}
	return os.Rename(tmp, path)
}

// ownedOf returns who owns what in a layer, from the file or by looking.
func (s *Store) ownedOf(id string) ([]unpack.Owned, error) {
	if s.main != nil {
		return s.scanned(id)
	}
	b, err := os.ReadFile(s.ownedFile(id))
	var owned []unpack.Owned
	if err == nil && json.Unmarshal(b, &owned) == nil {
		return owned, nil
	}
	root, err := os.Open(s.layerDir(id))
	if err != nil {
		return nil, fmt.Errorf("scan layer: %w", err)
	}
	defer root.Close()
	if owned, err = unpack.Scan(root); err != nil {
		return nil, err
	}
	return owned, s.writeOwned(id, owned)
}

// chain returns the IDs of the layers from top to bottom.
func (s *Store) chain(top string) ([]string, error) {
	var ids []string
	for id := top; id != ""; {
		if s.main != nil && !plan.IsID(id) {
			return nil, fmt.Errorf("%w: layer %q", ErrInvalid, id)
		}
		l, err := s.store.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: %w", id, err)
		}
		if len(ids) > 10_000 {
			return nil, errors.New("bug: endless layer chain")
		}
		ids, id = append(ids, id), l.Parent
	}
	return ids, nil
}

// layerOf returns the stored layer made from the blob, or nil.
func (s *Store) layerOf(blob digest.Digest) (*layerDraft, error) {
	for _, find := range []func(digest.Digest) ([]storage.Layer, error){s.store.LayersByUncompressedDigest, s.store.LayersByCompressedDigest} {
		layers, err := find(blob)
		if err != nil && !errors.Is(err, storage.ErrLayerUnknown) {
			return nil, fmt.Errorf("look for layer %s: %w", blob, err)
		}
		for i := range layers {
			if layers[i].UncompressedDigest != "" && !s.damaged[layers[i].ID] {
				return &layerDraft{known: layers[i].ID, diffID: layers[i].UncompressedDigest}, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // no error, no layer
}
