package artifact

import (
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Entry is what a name means.
type Entry struct{ Name, Digest string }

// Match finds the entry that a person means by ref: a name, of which short ones
// are local or else Docker Hub's; a name and digest; or the start of a digest.
func Match(entries []Entry, ref string) (int, error) {
	for _, want := range plan.Candidates(strings.TrimPrefix(ref, "docker://")) {
		for i, e := range entries {
			if e.Name == want || plan.Repository(e.Name)+"@"+e.Digest == want {
				return i, nil
			}
		}
	}
	hex := strings.TrimPrefix(ref, "sha256:")
	if len(hex) < 3 || strings.Trim(hex, "0123456789abcdef") != "" {
		return 0, notFound(ref)
	}
	found, names := -1, []string{}
	for i, e := range entries {
		if strings.HasPrefix(strings.TrimPrefix(e.Digest, "sha256:"), hex) {
			found = i
			names = append(names, e.Name)
		}
	}
	switch len(names) {
	case 0:
		return 0, notFound(ref)
	case 1:
		return found, nil
	}
	return 0, hint.New(fmt.Errorf("more than one artifact fits %q", ref), "give a name: "+strings.Join(names, ", "))
}

func notFound(ref string) error {
	return hint.New(fmt.Errorf("%w: %q", ErrNotFound, ref), "burrow artifact ls")
}
