package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/paths"
)

// Additional says that an image lies in a store of another engine, which is only
// read, and what there looked how when the plan was made. Whoever owns that store
// may remove or replace the image at any time.
type Additional struct {
	Root   string  `json:"root"`   // of the store; absolute, without links
	Images Stamp   `json:"images"` // of its list of images
	Layers []Stamp `json:"layers"` // of the directories that are Plan.Layers
}

// Stamp tells a file or directory from what was in its place before or is there
// after a change. A change deep below a directory it does not tell.
type Stamp struct {
	Ino     uint64 `json:"ino"`
	Size    int64  `json:"size,omitempty"` // of a regular file, bytes
	Seconds int64  `json:"s"`              // st_ctim
	Nanos   int64  `json:"ns"`
}

var (
	// ErrGone means that the files of an image in an additional store are no longer
	// there, or no longer the same.
	ErrGone = errors.New("the image is no longer there")
	// ErrChanged means that an additional store has other images than when the plan
	// was made, perhaps not this one: it has to be asked.
	ErrChanged = errors.New("the store has changed")
)

const overlay = "overlay"

// ImagesFile is the list of the images of a store, which every change of one
// replaces (containers/storage, images.go).
func ImagesFile(root string) string { return filepath.Join(root, overlay+"-images", "images.json") }

// LayerDir is where the files of a layer lie in a store.
func LayerDir(root, id string) string { return filepath.Join(root, overlay, id, "diff") }

// StampOf returns the stamp of what is at path, which must be no link.
func StampOf(path string) (Stamp, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Stamp{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	s := Stamp{Ino: st.Ino, Seconds: st.Ctim.Sec, Nanos: st.Ctim.Nsec}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.Size = st.Size
	case unix.S_IFDIR:
	default:
		return Stamp{}, &os.PathError{Op: "stat", Path: path, Err: unix.ELOOP}
	}
	return s, nil
}

// Fresh says whether the image is where the plan says, and what it was. Of an
// image of the own store it knows that: nobody else changes it.
func (p *Plan) Fresh() error {
	a := p.Additional
	if a == nil {
		return nil
	}
	if err := p.SameLayers(); err != nil {
		return err
	}
	images, err := StampOf(ImagesFile(a.Root))
	if err != nil || images != a.Images {
		return fmt.Errorf("%s: %w", a.Root, ErrChanged)
	}
	return nil
}

// SameLayers says less: that the files are there and were not replaced, be they an
// image's or not.
func (p *Plan) SameLayers() error {
	if p.Additional == nil {
		return nil
	}
	for i, dir := range p.Layers {
		now, err := StampOf(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || now != p.Additional.Layers[i] {
			return fmt.Errorf("image %.12s in %s: %w", p.ID, p.Additional.Root, ErrGone)
		}
	}
	return nil
}

// Key tells what is made of the layers of an additional store from what is made of
// layers of the same name elsewhere, of which nobody knows that they are the same.
func (a *Additional) Key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %v", a.Root, a.Layers))
	return hex.EncodeToString(sum[:8])
}

// check finds what would lead out of the store.
func (a *Additional) check(layers []string) error {
	if !cleanAbs(a.Root) || len(a.Layers) != len(layers) {
		return errors.New("its store is invalid")
	}
	for _, l := range layers {
		if id := filepath.Base(filepath.Dir(l)); !isID(id) || l != LayerDir(a.Root, id) {
			return fmt.Errorf("layer %q is not in %s", l, a.Root)
		}
	}
	return nil
}

// IsAdditional says whether the plan of the image id is that of an image in an
// additional store. What cannot be read is not.
func IsAdditional(dirs paths.Dirs, id string) bool {
	p, err := Read(dirs, id)
	return err == nil && p.Additional != nil
}

// IsID reports whether s is a full ID, of an image or a layer.
func IsID(s string) bool { return isID(s) }

// LayerIDs are the names that the layers have in their store, topmost first.
func (p *Plan) LayerIDs() []string {
	ids := make([]string, len(p.Layers))
	for i, l := range p.Layers {
		ids[i] = filepath.Base(filepath.Dir(l))
	}
	return ids
}
