package plan

import (
	"cmp"
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
	p, _, err := Find(dirs, ref)
	return p, err
}

// Find is [Resolve] for who wants to know how the image was found.
func Find(dirs paths.Dirs, ref string) (*Plan, Found, error) {
	m, err := Match(dirs, ref)
	if err != nil {
		return nil, m, err
	}
	p, err := Read(dirs, m.ID)
	if errors.Is(err, ErrNotFound) { // a name without image: a store was removed by hand
		return nil, m, hint.New(fmt.Errorf("image %q: %w: its plan is missing", ref, ErrDamaged), RepairCommand)
	}
	if err == nil && p.Additional == nil {
		m.Alias = IsAlias(m.Name, p.Names)
	}
	return p, m, err
}

// IsAlias says that an image with these names was found by one that it does not have.
func IsAlias(name string, names []string) bool {
	return name != "" && !strings.Contains(name, "@") && !slices.Contains(names, name)
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
	// Loose: the reference is the end of a name or the start of an ID, which another
	// image may have too.
	Loose bool
	// Alias: the name is not the image's own. An additional store has it for the same
	// image, and may have it for another by now. Only [Find] knows.
	Alias bool
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
			return Found{ID: id, Name: c}, err
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
	var all []Found
	for _, f := range files {
		if !strings.HasSuffix(f, end) {
			continue
		}
		full := strings.ReplaceAll(f, "%", "/")
		id, err := lookup(dirs, full)
		if err != nil {
			continue // removed meanwhile
		}
		all = append(all, Found{ID: id, Name: full, Loose: true})
	}
	return ownOne(dirs, ref, all)
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
	var ids []Found
	for _, id := range all {
		if strings.HasPrefix(id, hex) {
			ids = append(ids, Found{ID: id, Loose: true})
		}
	}
	return ownOne(dirs, ref, ids)
}

// ownOne is one, but images of the own store go before those of others.
func ownOne(dirs paths.Dirs, ref string, all []Found) (Found, error) {
	f, err := one(ref, all)
	if !errors.Is(err, ErrAmbiguous) {
		return f, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(f Found) bool { return IsAdditional(dirs, f.ID) })
	if len(own) == 0 {
		return f, err
	}
	return one(ref, own)
}

// one returns the image that all are; with several names, the first.
func one(ref string, all []Found) (Found, error) {
	var ids, shown []string
	for _, f := range all {
		ids, shown = append(ids, f.ID), append(shown, cmp.Or(f.Name, f.ID))
	}
	slices.Sort(ids)
	slices.Sort(shown)
	switch len(slices.Compact(ids)) {
	case 0:
		return Found{}, fmt.Errorf("%w: %q", ErrNotFound, ref)
	case 1:
		return slices.MinFunc(all, func(a, b Found) int { return cmp.Compare(a.Name, b.Name) }), nil
	}
	shown = shown[:min(len(shown), 5)]
	return Found{}, hint.New(fmt.Errorf("%w %q: %s", ErrAmbiguous, ref, strings.Join(shown, ", ")), "give the whole name, as `burrow images` shows it")
}
