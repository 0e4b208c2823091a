package image

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/chunked"
	"github.com/burrow-run/burrow/internal/sys"
)

// Of a layer that came as zstd:chunked it is noted what content it has, for later
// pulls to take from it what they have in common (package chunked). What a note
// says is not believed: it only says where to look.

// contentFile is that note.
func (s *Store) contentFile(layer string) string {
	return filepath.Join(s.dirs.Data, "layers", layer+".content")
}

func (s *Store) writeContent(layer string, index []byte) error {
	path := s.contentFile(layer)
	tmp := path + ".new" // under the store's lock, by one process at a time
	if err := os.WriteFile(tmp, index, 0o600); err != nil {
		return fmt.Errorf("note what a layer has: %w", err)
	}
	return os.Rename(tmp, path)
}

func (s *Store) forgetContent(layer string) {
	for _, suffix := range []string{"", ".new"} {
		if err := os.Remove(s.contentFile(layer) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("note of a layer's content left behind", slog.String("layer", layer), slog.Any("error", err))
		}
	}
}

// maxSearched bounds how many layers are searched: those that came last.
const maxSearched = 256

// searchable are the layers of which it is known what they have, newest first.
func (s *Store) searchable() ([]string, error) {
	layers, err := s.store.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	out := slices.DeleteFunc(layers, func(l storage.Layer) bool {
		_, err := os.Stat(s.contentFile(l.ID))
		return err != nil
	})
	slices.SortFunc(out, func(a, b storage.Layer) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	var ids []string
	for _, l := range out[:min(len(out), maxSearched)] {
		ids = append(ids, l.ID)
	}
	return ids, nil
}

// blobOf is the blob that a layer's note was made from, "" if there is none.
func (s *Store) blobOf(layer string) digest.Digest {
	f, err := os.Open(s.contentFile(layer))
	if err != nil {
		return ""
	}
	defer f.Close()
	return chunked.Blob(f)
}

// library opens files of stored layers, of which a directory is opened once.
type library struct {
	store *Store
	ids   []string // of layers
	roots []*os.File
}

func (s *Store) library(ids []string) *library {
	return &library{s, ids, make([]*os.File, len(ids))}
}

// search finds what of wanted the layers have.
func (l *library) search(wanted map[chunked.Sum]int64) map[chunked.Sum]chunked.Source {
	local := map[chunked.Sum]chunked.Source{}
	for i, id := range l.ids {
		f, err := os.Open(l.store.contentFile(id))
		if err != nil {
			continue // removed meanwhile
		}
		err = chunked.Search(f, wanted, func(sum chunked.Sum, from chunked.Source) {
			from.Layer = i
			if _, known := local[sum]; !known && l.has(from) {
				local[sum] = from
			}
		})
		if err = errors.Join(err, f.Close()); err != nil {
			l.store.log.Debug("what a layer has is not known", slog.String("layer", id), slog.Any("error", err))
		}
		if len(local) == len(wanted) {
			break
		}
	}
	return local
}

// has says that there is a file of the size that is expected.
func (l *library) has(from chunked.Source) bool {
	root, err := l.root(from.Layer)
	if err != nil {
		return false
	}
	st, err := sys.StatBeneath(root, from.Path)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == from.File
}

func (l *library) root(i int) (_ *os.File, err error) {
	if l.roots[i] == nil {
		l.roots[i], err = sys.OpenDir(l.store.layerDir(l.ids[i]))
	}
	return l.roots[i], err
}

// open opens what has said is there, and nothing else.
func (l *library) open(from chunked.Source) (chunked.File, error) {
	root, err := l.root(from.Layer)
	if err != nil {
		return nil, err
	}
	f, err := sys.OpenBeneath(root, from.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != from.File) {
		err = fmt.Errorf("%q of a stored layer is not what it was", from.Path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (l *library) close() {
	for _, f := range l.roots {
		if f != nil {
			_ = f.Close() // it was only read
		}
	}
}

// capture keeps a part of a stream that is read from its begin.
type capture struct {
	r    io.Reader
	at   int64
	want chunked.Range
	got  []byte
}

func (c *capture) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	from, to := max(c.at, c.want.From), min(c.at+int64(n), c.want.To)
	if from < to {
		c.got = append(c.got, p[from-c.at:to-c.at]...)
	}
	c.at += int64(n)
	return n, err
}
