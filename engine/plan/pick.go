package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Listed is an image that [Pick] may choose.
type Listed struct {
	ID    string
	Names []string // full: with tag, or with a digest
}

// Pick finds the image that a person means by ref in a list, by the same rules as
// [Match] does among the images that have a plan.
func Pick(ref string, list []Listed) (Found, error) {
	if hex, ok := strings.CutPrefix(ref, "sha256:"); ok && isHex(hex) {
		return pickPrefix(ref, hex, list)
	}
	if isID(ref) {
		return pickPrefix(ref, ref, list)
	}
	n, err := parseName(ref)
	if err != nil {
		return Found{}, err
	}
	for _, c := range n.candidates() {
		for _, l := range list {
			if slices.Contains(l.Names, c) {
				return Found{ID: l.ID, Name: c}, nil
			}
		}
	}
	if n.domain == "" {
		var all []Found
		for _, l := range list {
			for _, name := range l.Names {
				if strings.HasSuffix(name, "/"+n.String()) {
					all = append(all, Found{ID: l.ID, Name: name, Loose: true})
				}
			}
		}
		if len(all) > 0 {
			return one(ref, all)
		}
	}
	if len(ref) >= 3 && isHex(ref) {
		return pickPrefix(ref, ref, list)
	}
	return Found{}, fmt.Errorf("%w: %q", ErrNotFound, ref)
}

func pickPrefix(ref, hex string, list []Listed) (Found, error) {
	var all []Found
	for _, l := range list {
		if strings.HasPrefix(l.ID, hex) {
			all = append(all, Found{ID: l.ID, Loose: len(hex) < 64})
		}
	}
	return one(ref, all)
}
