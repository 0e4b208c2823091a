package artifact

import (
	"errors"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Choice is one file of an artifact, or all: at most one of the two is set.
type Choice struct {
	Digest, Title string
}

// Choose returns which of the files of the artifact name are meant.
func (c Choice) Choose(name string, files []File) ([]int, error) {
	switch {
	case c.Digest != "" && c.Title != "":
		return nil, errors.New("give a digest or a title, not both")
	case len(files) == 0:
		return nil, fmt.Errorf("the artifact %s has no files", name)
	}
	var out []int
	for i, f := range files {
		if c == (Choice{}) || c.Digest == f.Digest || c.Title != "" && c.Title == f.Title {
			out = append(out, i)
		}
	}
	what := "the title " + c.Title
	if c.Digest != "" {
		what = "the digest " + c.Digest
	}
	switch {
	case c == (Choice{}):
		return out, nil
	case len(out) == 0:
		return nil, hint.New(fmt.Errorf("the artifact %s has no file with %s", name, what), "burrow artifact inspect "+name)
	case len(out) > 1 && c.Title != "":
		return nil, hint.New(fmt.Errorf("the artifact %s has %d files with %s", name, len(out), what), "choose one by its digest")
	}
	return out[:1], nil
}

// Of returns the files of an artifact that are meant.
func (c Choice) Of(a *Artifact) ([]File, error) {
	chosen, err := c.Choose(a.Name, a.Files)
	out := make([]File, len(chosen))
	for i, at := range chosen {
		out[i] = a.Files[at]
	}
	return out, err
}

// Names are what files that were chosen are called in a directory: by their
// titles, or by their digests, where these chose them or there is no title.
func (c Choice) Names(files []File) ([]string, error) {
	names := make([]string, len(files))
	seen := map[string]bool{}
	for i, f := range files {
		names[i] = f.Title
		if names[i] == "" || c.Digest != "" {
			names[i] = strings.ReplaceAll(f.Digest, ":", "-")
		}
		if err := CheckName(names[i]); err != nil {
			return nil, err
		}
		if seen[names[i]] {
			return nil, hint.New(fmt.Errorf("the artifact has two files %q", names[i]), "choose one by its digest")
		}
		seen[names[i]] = true
	}
	return names, nil
}

// CheckName refuses names that are no plain file's: whoever made the artifact
// does not choose where in the file system it goes.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: %q is no name for a file", ErrInvalid, name)
	}
	return nil
}
