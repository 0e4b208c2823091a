package plan

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// Resolve finds the image that a person means by ref and reads its plan. In
// this order it tries
//
//   - an image ID, with or without "sha256:";
//   - a full name, with tag "latest" if none is given, or with a digest;
//   - for a name without registry, localhost/NAME, docker.io/library/NAME or
//     docker.io/NAME, then any stored name whose path ends in /NAME;
//   - the start of an image ID, three digits or more.
func Resolve(dirs paths.Dirs, ref string) (*Plan, error) {
	m, err := Match(dirs, ref)
	if err != nil {
		return nil, err
	}
	p, err := Read(dirs, m.ID)
	if errors.Is(err, ErrNotFound) { // a name without image: a store was removed by hand
		return nil, hint.New(fmt.Errorf("image %q: %w: its plan is missing", ref, ErrDamaged), RepairCommand)
	}
	return p, err
}

// Full returns the full name a reference without registry stands for when an
// image is named: localhost/NAME:TAG.
func Full(ref string) (string, error) {
	n, err := parseName(ref)
	if err != nil {
		return "", err
	}
	if n.domain == "" {
		n.domain = "localhost"
	}
	return n.String(), nil
}

// Found is what a reference stands for.
type Found struct {
	ID   string
	Name string // the stored name that fits, "" if the reference is an ID
}

// Match does the first half of [Resolve]: it finds the image, and the name by
// which it was meant, but reads no plan.
func Match(dirs paths.Dirs, ref string) (Found, error) {
	if hex, ok := strings.CutPrefix(ref, "sha256:"); ok && isHex(hex) {
		return byPrefix(dirs, ref, hex)
	}
	if isID(ref) {
		return byPrefix(dirs, ref, ref)
	}
	n, err := parseName(ref)
	if err != nil {
		return Found{}, err
	}
	for _, c := range n.candidates() {
		if id, err := lookup(dirs, c); !errors.Is(err, ErrNotFound) {
			return Found{id, c}, err
		}
	}
	if n.domain == "" {
		if f, err := bySuffix(dirs, ref, n); !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	if len(ref) >= 3 && isHex(ref) {
		return byPrefix(dirs, ref, ref)
	}
	return Found{}, fmt.Errorf("%w: %q", ErrNotFound, ref)
}

// bySuffix finds stored names that end in /NAME by listing file names only.
func bySuffix(dirs paths.Dirs, ref string, n name) (Found, error) {
	files, err := list(filepath.Dir(refPath(dirs, n.String())))
	if err != nil {
		return Found{}, fmt.Errorf("list image names: %w", err)
	}
	end := "%" + refFile(n.String())
	var names, ids []string
	for _, f := range files {
		if !strings.HasSuffix(f, end) {
			continue
		}
		full := strings.ReplaceAll(f, "%", "/")
		id, err := lookup(dirs, full)
		if err != nil {
			continue // removed meanwhile
		}
		names = append(names, full)
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(names)
	return one(ref, ids, names)
}

// byPrefix finds the image whose ID starts with hex.
func byPrefix(dirs paths.Dirs, ref, hex string) (Found, error) {
	if len(hex) == 64 {
		return Found{ID: hex}, exists(dirs, ref, hex)
	}
	all, err := IDs(dirs)
	if err != nil {
		return Found{}, err
	}
	var ids []string
	for _, id := range all {
		if strings.HasPrefix(id, hex) {
			ids = append(ids, id)
		}
	}
	f, err := one(ref, ids, ids)
	f.Name = ""
	return f, err
}

func one(ref string, ids, names []string) (Found, error) {
	switch len(ids) {
	case 0:
		return Found{}, fmt.Errorf("%w: %q", ErrNotFound, ref)
	case 1:
		return Found{ids[0], names[0]}, nil
	}
	shown := names[:min(len(names), 5)]
	return Found{}, hint.New(fmt.Errorf("%w %q: %s", ErrAmbiguous, ref, strings.Join(shown, ", ")), "give the whole name, as `burrow images` shows it")
}
