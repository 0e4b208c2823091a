package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// Lookup finds a container by name, ID or unambiguous beginning of the ID. With
// ErrDamaged the Record has its ID only.
func Lookup(d paths.Dirs, ref string) (Record, error) {
	id, err := findID(d, ref)
	if err != nil {
		return Record{}, err
	}
	rec, err := LoadRecord(filepath.Join(d.Containers(), id))
	if errors.Is(err, os.ErrNotExist) {
		return rec, fmt.Errorf("%w: %s", ErrNoContainer, ref)
	}
	return rec, err
}

func findID(d paths.Dirs, ref string) (string, error) {
	if isContainerID(ref) { // nothing else begins so: no need to look through all
		if _, err := os.Lstat(filepath.Join(d.Containers(), ref)); err == nil {
			return ref, nil
		}
	}
	if spec.CheckName(ref) == nil {
		if id, err := ownerOf(d, ref); err == nil {
			return id, nil
		}
	}
	entries, err := os.ReadDir(d.Containers())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if len(ref) >= 2 && strings.HasPrefix(e.Name(), ref) {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("%w: %s", ErrNoContainer, ref)
	}
	return "", fmt.Errorf("%s: more than one container's ID begins so", ref)
}

// ErrNoContainer means that no container has the name or ID.
var ErrNoContainer = errors.New("no such container")
