package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// maxPlan bounds what a reader takes into memory: a plan of a million shift
// entries stays below it.
const maxPlan = 256 << 20

const suffix = ".json"

func file(dirs paths.Dirs, id string) string {
	return filepath.Join(dirs.Plans(), id+suffix)
}

// Write stores p and a reference for each of its names. A reader sees the old
// plan or the new one, never a part. Names that p no longer has are not
// removed: see [Unname].
func Write(dirs paths.Dirs, p *Plan) error {
	if !isID(p.ID) {
		return fmt.Errorf("write image plan: bug: invalid image ID %q", p.ID)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return fmt.Errorf("write image plan: %w", err)
	}
	if err := os.MkdirAll(dirs.Plans(), 0o700); err != nil {
		return fmt.Errorf("write image plan: %w", err)
	}
	if err := replace(file(dirs, p.ID), b.Bytes()); err != nil {
		return fmt.Errorf("write image plan: %w", err)
	}
	return Refer(dirs, p)
}

// Refer stores a reference for each of p's names that leads elsewhere.
func Refer(dirs paths.Dirs, p *Plan) error {
	for _, name := range p.references() {
		if err := Name(dirs, name, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// Read returns the plan of the image with the full ID id.
func Read(dirs paths.Dirs, id string) (*Plan, error) {
	if !isID(id) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	f, err := os.Open(file(dirs, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read image plan: %w", err)
	}
	defer f.Close()
	b, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("read image plan: %w", err)
	}
	return decode(id, b)
}

// readAll reads a plan with one allocation.
func readAll(f *os.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxPlan {
		return nil, fmt.Errorf("%s: %w: %d bytes", f.Name(), ErrDamaged, st.Size())
	}
	b := make([]byte, st.Size())
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // replaced while we read: decode decides
	}
	return b[:n], err
}

func decode(id string, b []byte) (*Plan, error) {
	p := &Plan{}
	err := json.Unmarshal(b, p)
	switch {
	case err == nil && p.Version > Version:
		return nil, hint.New(fmt.Errorf("image %.12s: %w", id, ErrNewer), "use that version, or run: "+RepairCommand)
	case err == nil && (p.Version != Version || p.ID != id):
		err = errors.New("it is not the plan of this image")
	case err == nil:
		err = p.check()
	}
	if err != nil {
		return nil, hint.New(fmt.Errorf("image %.12s: %w: %w", id, ErrDamaged, err), RepairCommand)
	}
	return p, nil
}

// check finds what would make a reader index or join out of bounds.
func (p *Plan) check() error {
	for _, l := range p.Layers {
		if !filepath.IsAbs(l) {
			return fmt.Errorf("layer %q is not an absolute path", l)
		}
	}
	if p.Additional != nil {
		if err := p.Additional.check(p.Layers); err != nil {
			return err
		}
	}
	for i := range p.Shift {
		e := &p.Shift[i]
		if e.Layer < 0 || e.Layer >= len(p.Layers) || !cleanAbs(e.Path) || (e.Hard != "" && !cleanAbs(e.Hard)) {
			return fmt.Errorf("entry %q is invalid", e.Path)
		}
	}
	return nil
}

func cleanAbs(p string) bool { return filepath.IsAbs(p) && filepath.Clean(p) == p }

// Remove deletes the plan of the image id and the references that point to it.
// It is no error if there is none.
func Remove(dirs paths.Dirs, id string) error {
	if !isID(id) {
		return fmt.Errorf("remove image plan: bug: invalid image ID %q", id)
	}
	refs, err := References(dirs)
	if err != nil {
		return err
	}
	for name, owner := range refs {
		if owner == id {
			if err := Unname(dirs, name, id); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(file(dirs, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image plan: %w", err)
	}
	return nil
}

// IDs lists the images that have a plan, in no order.
func IDs(dirs paths.Dirs) ([]string, error) {
	names, err := list(dirs.Plans())
	if err != nil {
		return nil, fmt.Errorf("list image plans: %w", err)
	}
	ids := names[:0]
	for _, n := range names {
		if id, ok := cutSuffix(n); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func cutSuffix(name string) (string, bool) {
	id := name[:max(0, len(name)-len(suffix))]
	return id, len(id) > 0 && name[len(id):] == suffix && isID(id)
}

// list returns the names in dir; none where there is no dir.
func list(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// replace writes data to path through a temporary file in the same directory.
// The rename comes after the data is on disk: an image outlives a power cut.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	if err = f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// exists returns nil if the image id has a plan.
func exists(dirs paths.Dirs, ref, id string) error {
	_, err := os.Lstat(file(dirs, id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q", ErrNotFound, ref)
	}
	return err
}
