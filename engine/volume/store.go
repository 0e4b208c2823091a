package volume

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Store is the directory of a user's volumes.
type Store struct{ Dir string }

const (
	recordName = "volume.json"
	dataName   = "_data"
	useName    = "use"
	// unfinished begins the name of a directory that is no volume yet, or no more.
	unfinished = ".new-"
)

func (s Store) path(name string, elem ...string) string {
	return filepath.Join(append([]string{s.Dir, name}, elem...)...)
}

// Data is the directory that containers see.
func (s Store) Data(name string) string { return s.path(name, dataName) }

// NewName makes up the name of an anonymous volume: 64 hexadecimal digits.
func NewName() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Create makes a volume: it is there as a whole or not at all. Of two that
// make the same, one gets ErrExists.
func (s Store) Create(v Volume) error {
	if _, err := v.Mount(); err != nil {
		return err
	}
	v.Version = Version
	if v.Created.IsZero() {
		v.Created = time.Now().UTC()
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	tmp, err := os.MkdirTemp(s.Dir, unfinished)
	if err != nil {
		return fmt.Errorf("make volume: %w", err)
	}
	err = s.fill(filepath.Base(tmp), v)
	if err == nil {
		// A directory takes the place of an empty one only, and a volume is none.
		err = os.Rename(tmp, s.path(v.Name))
	}
	switch {
	case err == nil && v.Anonymous():
		return nil
	case err == nil:
		return sys.SyncDir(s.Dir)
	}
	_ = sys.RemoveTree(tmp)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s: %w", v.Name, ErrExists)
	}
	return fmt.Errorf("make volume: %w", err)
}

func (s Store) fill(dir string, v Volume) error {
	if err := os.Mkdir(s.path(dir, dataName), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(s.path(dir, dataName), 0o755); err != nil { // whatever the umask
		return err
	}
	if err := os.WriteFile(s.path(dir, useName), nil, 0o600); err != nil {
		return err
	}
	return s.write(dir, v)
}

// Save replaces the record of a volume that the caller has locked.
func (s Store) Save(v Volume) error {
	if err := s.write(v.Name, v); err != nil {
		return fmt.Errorf("write record of volume %s: %w", v.Name, err)
	}
	return nil
}

// write is durable for named volumes: the data is worth nothing without its owners.
func (s Store) write(dir string, v Volume) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("bug: encode: %w", err)
	}
	path := s.path(dir, recordName)
	if err := sys.ReplaceFile(path+".new", path, append(text, '\n'), !v.Anonymous()); err != nil || v.Anonymous() {
		return err
	}
	return sys.SyncDir(s.path(dir))
}

// Get reads the record of a volume. Errors are ErrNotFound and ErrDamaged.
func (s Store) Get(name string) (Volume, error) {
	if name == "" || strings.ContainsRune(name, '/') || strings.HasPrefix(name, ".") {
		return Volume{}, fmt.Errorf("%.80q: %w", name, ErrNotFound)
	}
	text, err := os.ReadFile(s.path(name, recordName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Lstat(s.path(name)); err == nil {
			return Volume{Name: name}, s.damaged(name)
		}
		return Volume{}, fmt.Errorf("%s: %w", name, ErrNotFound)
	case err != nil:
		return Volume{}, fmt.Errorf("volume %s: %w", name, err)
	}
	var v Volume
	if err := json.Unmarshal(text, &v); err != nil || v.Version < 1 || v.Name != name {
		return Volume{Name: name}, s.damaged(name)
	}
	if v.Version > Version {
		return Volume{Name: name}, fmt.Errorf("volume %s was written by a newer version", name)
	}
	return v, nil
}

func (s Store) damaged(name string) error {
	return hint.New(fmt.Errorf("%s: %w", name, ErrDamaged), "its files are in "+s.Data(name)+", which burrow unshare can read")
}

// Find is Get that takes the beginning of a name too, if it is one volume's only.
func (s Store) Find(name string) (Volume, error) {
	v, err := s.Get(name)
	if !errors.Is(err, ErrNotFound) || name == "" {
		return v, err
	}
	names, listErr := s.Names()
	if listErr != nil {
		return v, listErr
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, name) })
	switch len(names) {
	case 0:
		return v, err
	case 1:
		return s.Get(names[0])
	}
	return v, fmt.Errorf("%q is the beginning of %d volumes' names", name, len(names))
}

// Names are those of all volumes, sorted.
func (s Store) Names() ([]string, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// List reads all volumes, by name. What cannot be read is in damaged, one error each.
func (s Store) List() (list []Volume, damaged []error, err error) {
	names, err := s.Names()
	for _, name := range names {
		v, err := s.Get(name)
		switch {
		case errors.Is(err, ErrNotFound): // removed meanwhile
		case err != nil:
			damaged = append(damaged, err)
		default:
			list = append(list, v)
		}
	}
	return list, damaged, err
}

// Lock keeps others from changing the volume's record until the file is closed.
func (s Store) Lock(ctx context.Context, name string) (*os.File, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		f, err := s.tryLock(name)
		if !errors.Is(err, unix.EAGAIN) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock volume %s: %w", name, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// LockSoon is Lock for those who have no context: it gives up after a while.
func (s Store) LockSoon(name string) (*os.File, error) {
	for try := 0; ; try++ {
		f, err := s.tryLock(name)
		if !errors.Is(err, unix.EAGAIN) {
			return f, err
		}
		if try == 100 {
			return nil, fmt.Errorf("%s: %w", name, ErrInUse)
		}
		time.Sleep(time.Millisecond)
	}
}

func (s Store) tryLock(name string) (*os.File, error) {
	dir := s.path(name)
	f, err := sys.OpenDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if err := sys.TryLockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	mine, err := f.Stat()
	if err == nil {
		// Who had it may have removed it between our open and our lock.
		var now os.FileInfo
		if now, err = os.Stat(dir); err == nil && os.SameFile(mine, now) {
			return f, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
}

// Use says that the caller has the volume mounted, until the file is closed.
// alone asks that nobody else has: else the error is ErrInUse. The caller has
// locked the volume.
func (s Store) Use(name string, alone bool) (*os.File, error) {
	f, err := os.OpenFile(s.path(name, useName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use volume %s: %w", name, err)
	}
	lock := sys.TryShareFile
	if alone {
		lock = sys.TryLockFile
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) {
			return nil, fmt.Errorf("%s: %w", name, ErrInUse)
		}
		return nil, err
	}
	return f, nil
}

// Remove deletes a volume that the caller has locked, and its files. It
// disappears at once; what cannot be deleted then, Reclaim deletes.
func (s Store) Remove(name string) error {
	gone := s.path(unfinished + NewName()[:16])
	if err := os.Rename(s.path(name), gone); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	if err := sys.RemoveTree(gone); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// Reclaim deletes what was being made or removed when its process was killed.
func (s Store) Reclaim() {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), unfinished) && time.Since(info.ModTime()) > time.Minute {
			_ = sys.RemoveTree(s.path(e.Name()))
		}
	}
}
