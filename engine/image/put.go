package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
)

// draft is an image whose bytes are all there and checked.
type draft struct {
	id       string // hex
	manifest []byte
	// index is the list the manifest was chosen from, or nil.
	index   []byte
	config  []byte
	layers  []*layerDraft // bottom first
	names   []string
	created time.Time
	extra   []storage.ImageBigDataOption // signatures
	meta    string
}

// layerDraft is one layer of a draft: freshly unpacked, or known already.
type layerDraft struct {
	staged   *staged
	known    string // ID of a stored layer with the same content
	diffID   digest.Digest
	blobSize int64 // of the blob that staged was made from
	claimed  bool  // it came in parts: that the blob unpacks to it, only the manifest says
}

// put commits d: layers from the bottom up, the image, its names, its plan.
// Nothing but unused layers is left behind if it is interrupted, and the next
// commit or prune removes those.
func (s *Store) put(ctx context.Context, d *draft) error {
	if err := s.flush(d); err != nil {
		return err
	}
	return s.exclusive(ctx, func() error {
		top := ""
		for _, l := range d.layers {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, err := s.putLayer(ctx, top, l)
			if err != nil {
				return err
			}
			top = id
		}
		moved, err := s.owners(d.names)
		if err != nil {
			return err
		}
		if err := s.putImage(d, top); err != nil {
			return err
		}
		if _, err := s.writePlan(d.id); err != nil {
			return err
		}
		return errors.Join(s.refresh(moved, d.id), s.sweep())
	})
}

// flush writes new layers to disk before anything says that they exist: after a
// power cut an image is whole or not there. One call for the file system costs
// a tenth of what fsync of each file would, and is done outside the lock.
func (s *Store) flush(d *draft) error {
	if !slices.ContainsFunc(d.layers, func(l *layerDraft) bool { return l.staged != nil }) {
		return nil
	}
	dir, err := os.Open(s.dirs.Storage())
	if err != nil {
		return fmt.Errorf("write image to disk: %w", err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("write image to disk: %w", os.NewSyscallError("syncfs", err))
	}
	return nil
}

func (s *Store) putLayer(ctx context.Context, parent string, l *layerDraft) (string, error) {
	id := layerID(parent, l.diffID)
	if s.hasLayer(id) && !s.damaged[id] {
		return id, nil
	}
	if l.staged != nil && l.staged.out != nil {
		return s.commit(parent, l.staged)
	}
	// The same content lies elsewhere: below another parent, or earlier in
	// this image. The storage library cannot share it, so it is unpacked again.
	layers, err := s.store.LayersByUncompressedDigest(l.diffID)
	layers = slices.DeleteFunc(layers, func(l storage.Layer) bool { return s.damaged[l.ID] })
	if err != nil || len(layers) == 0 {
		return "", fmt.Errorf("layer %s: %w", l.diffID, errGone)
	}
	again, err := s.stageAgain(ctx, &layers[0])
	if err != nil {
		return "", fmt.Errorf("copy layer: %w", err)
	}
	defer s.discard(again)
	if again.diffID != l.diffID {
		return "", fmt.Errorf("copy layer: stored layer %.12s is damaged: digest %s, not %s", layers[0].ID, again.diffID, l.diffID)
	}
	return s.commit(parent, again)
}

// stageAgain unpacks a stored layer. Until its diff is closed the library holds
// a lock that a commit needs.
func (s *Store) stageAgain(ctx context.Context, l *storage.Layer) (*staged, error) {
	diff, err := s.store.Diff("", l.ID, nil)
	if err != nil {
		return nil, err
	}
	again, err := s.stage(ctx, diff, claim{digest: l.CompressedDigest})
	if err = errors.Join(err, diff.Close()); err != nil && again != nil {
		s.discard(again)
	}
	return again, err
}

func (s *Store) putImage(d *draft, top string) error {
	mdigest := digest.FromBytes(d.manifest)
	big := []storage.ImageBigDataOption{
		{Key: digest.FromBytes(d.config).String(), Data: d.config, Digest: digest.FromBytes(d.config)},
		{Key: storage.ImageDigestManifestBigDataNamePrefix + "-" + mdigest.String(), Data: d.manifest, Digest: mdigest},
		{Key: storage.ImageDigestBigDataKey, Data: d.manifest, Digest: mdigest},
	}
	if d.index != nil {
		idx := digest.FromBytes(d.index)
		big = append(big, storage.ImageBigDataOption{Key: storage.ImageDigestManifestBigDataNamePrefix + "-" + idx.String(), Data: d.index, Digest: idx})
	}
	big = append(big, d.extra...)
	_, err := s.store.CreateImage(d.id, nil, top, d.meta, &storage.ImageOptions{CreationDate: d.created, BigData: big})
	if errors.Is(err, storage.ErrDuplicateID) {
		err = s.updateImage(d.id, top, big)
	}
	if err != nil {
		return fmt.Errorf("store image: %w", err)
	}
	if len(d.names) == 0 {
		return nil
	}
	if err := s.store.AddNames(d.id, d.names); err != nil {
		return fmt.Errorf("name image: %w", err)
	}
	return nil
}

// updateImage adds what is new to an image that was stored before, perhaps
// from elsewhere, with another manifest.
func (s *Store) updateImage(id, top string, big []storage.ImageBigDataOption) error {
	img, err := s.store.Image(id)
	if err != nil {
		return err
	}
	if img.TopLayer != top {
		return fmt.Errorf("image %.12s is stored with other layers", id)
	}
	for _, b := range big {
		if slices.Contains(img.BigDataNames, b.Key) && img.BigDataDigests[b.Key] == b.Digest && !s.damaged[id] {
			continue
		}
		asManifest := func([]byte) (digest.Digest, error) { return b.Digest, nil }
		if err := s.store.SetImageBigData(id, b.Key, b.Data, asManifest); err != nil {
			return err
		}
	}
	return nil
}

// owners returns the images that have one of the names now.
func (s *Store) owners(names []string) ([]string, error) {
	var ids []string
	for _, n := range names {
		img, err := s.store.Image(n)
		if errors.Is(err, storage.ErrImageUnknown) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up image %q: %w", n, err)
		}
		ids = append(ids, img.ID)
	}
	return ids, nil
}

// refresh rewrites the plans of images whose names have changed.
func (s *Store) refresh(ids []string, but string) error {
	for _, id := range ids {
		if id == but {
			continue
		}
		p, err := s.writePlan(id)
		if err == nil {
			err = plan.Prune(s.dirs, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
