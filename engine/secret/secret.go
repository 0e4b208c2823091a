// Package secret keeps small pieces of sensitive data that containers are given
// by name: the file driver of Podman.
//
//	secrets/NAME/secret.json   what may be shown
//	             data          the secret
//
// The files are readable by their user only, not encrypted: it protects secrets
// from images, records, logs and other users, not from the user's own processes
// nor from whoever reads the disk.
package secret

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

var (
	// ErrNotFound means that there is no such secret.
	ErrNotFound = errors.New("no such secret")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("secret already exists")
	// ErrSize means that a secret is empty or too long.
	ErrSize = fmt.Errorf("a secret has 1 to %d bytes", MaxSize)
)

// MaxSize is the greatest length of a secret in bytes, Podman's and Docker's.
const MaxSize = 512000

// Secret is what may be shown of a secret.
type Secret struct {
	Version int               `json:"version"`
	ID      string            `json:"id"` // 25 hexadecimal digits
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels,omitempty"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
}

// Store is the directory of a user's secrets.
type Store struct{ Dir string }

const (
	version    = 1
	recordName = "secret.json"
	dataName   = "data"
	unfinished = ".new-"
)

func (s Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// Create keeps data under a name that no other secret has; with replace it
// takes the place of one that has it.
func (s Store) Create(name string, data []byte, labels map[string]string, replace bool) (Secret, error) {
	if len(data) == 0 || len(data) > MaxSize {
		return Secret{}, ErrSize
	}
	now := time.Now().UTC()
	sec := Secret{Version: version, ID: newID(), Name: name, Labels: labels, Created: now, Updated: now}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return sec, fmt.Errorf("keep secret: %w", err)
	}
	tmp, err := os.MkdirTemp(s.Dir, unfinished)
	if err != nil {
		return sec, fmt.Errorf("keep secret: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // it has another name by then, or is a failure
	if old, err := s.get(name); replace && err == nil {
		sec.Created = old.Created
	}
	if err := fill(tmp, sec, data); err != nil {
		return sec, fmt.Errorf("keep secret: %w", err)
	}
	if err := s.place(tmp, name, replace); err != nil {
		return sec, err
	}
	return sec, sys.SyncDir(s.Dir)
}

// place gives a finished directory its name. An exchange leaves no moment
// without the secret (renameat2(2), Linux 3.15).
func (s Store) place(tmp, name string, replace bool) error {
	err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, s.path(name), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) && replace {
		err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, s.path(name), unix.RENAME_EXCHANGE)
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return hint.New(fmt.Errorf("%s: %w", name, ErrExists), "burrow secret create --replace "+name+" ...")
	case err != nil:
		return fmt.Errorf("keep secret: %w", err)
	}
	return nil
}

func newID() string {
	var b [13]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])[:25]
}

func fill(dir string, sec Secret, data []byte) error {
	text, err := json.Marshal(sec)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, dataName), data); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, recordName), append(text, '\n')); err != nil {
		return err
	}
	return sys.SyncDir(dir)
}

func writeSynced(path string, data []byte) error {
	return sys.ReplaceFile(path+".new", path, data, true)
}

func (s Store) get(name string) (Secret, error) {
	text, err := os.ReadFile(s.path(name, recordName))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return Secret{}, fmt.Errorf("%.80q: %w", name, ErrNotFound)
	}
	if err != nil {
		return Secret{}, err
	}
	var sec Secret
	if err := json.Unmarshal(text, &sec); err != nil || sec.Name != name || sec.Version != version {
		return Secret{Name: name}, hint.New(fmt.Errorf("secret %s: its record is damaged", name), "burrow secret rm "+name)
	}
	return sec, nil
}

// Get finds a secret by its name, its ID or the beginning of its ID.
func (s Store) Get(ref string) (Secret, error) {
	if ref == "" || strings.ContainsRune(ref, '/') || strings.HasPrefix(ref, ".") {
		return Secret{}, fmt.Errorf("%.80q: %w", ref, ErrNotFound)
	}
	sec, err := s.get(ref)
	if !errors.Is(err, ErrNotFound) {
		return sec, err
	}
	list, listErr := s.List()
	if listErr != nil {
		return Secret{}, listErr
	}
	var found []Secret
	for _, other := range list {
		if strings.HasPrefix(other.ID, ref) {
			found = append(found, other)
		}
	}
	switch len(found) {
	case 0:
		return Secret{}, err
	case 1:
		return found[0], nil
	}
	return Secret{}, fmt.Errorf("%q is the beginning of %d secrets' IDs", ref, len(found))
}

// List returns the secrets by name. Damaged ones have no ID.
func (s Store) List() ([]Secret, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	var out []Secret
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		sec, err := s.get(e.Name())
		if errors.Is(err, ErrNotFound) {
			continue // removed meanwhile
		}
		out = append(out, sec)
	}
	return out, nil
}

// Data is the secret itself.
func (s Store) Data(name string) ([]byte, error) {
	if _, err := s.get(name); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(s.path(name, dataName))
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return data, nil
}

// Remove deletes a secret. Containers that run keep what they were given.
func (s Store) Remove(name string) error {
	gone := s.path(unfinished + newID())
	if err := os.Rename(s.path(name), gone); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%.80q: %w", name, ErrNotFound)
		}
		return fmt.Errorf("remove secret: %w", err)
	}
	return os.RemoveAll(gone)
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
			_ = os.RemoveAll(s.path(e.Name()))
		}
	}
}
