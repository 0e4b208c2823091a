package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/paths"
)

// A reference is a file named after the image name, so that looking one up is
// one open. Its first line is the image ID, its second the name.

// digests is the directory inside refs for names that end in a digest. Kept
// apart, they do not slow down the search by the end of a name.
const digests = "@"

// refPath is the file of an image name.
func refPath(dirs paths.Dirs, name string) string {
	if strings.Contains(name, "@") {
		return filepath.Join(dirs.Refs(), digests, refFile(name))
	}
	return filepath.Join(dirs.Refs(), refFile(name))
}

// refFile is the file name for an image name. A slash, which no file name can
// hold, becomes a percent sign, which no image name can hold. A name that is
// too long for a file is hashed.
func refFile(name string) string {
	s := strings.ReplaceAll(name, "/", "%")
	if len(s) > 250 {
		sum := sha256.Sum256([]byte(name))
		return "%" + hex.EncodeToString(sum[:])
	}
	return s
}

// Name makes name refer to the image id, taking it from any other image.
func Name(dirs paths.Dirs, name, id string) error {
	if !isID(id) || !validName(name) {
		return fmt.Errorf("name image: %w: %q", ErrName, name)
	}
	if err := os.MkdirAll(filepath.Dir(refPath(dirs, name)), 0o700); err != nil {
		return fmt.Errorf("name image: %w", err)
	}
	if owner, err := lookup(dirs, name); err == nil && owner == id {
		return nil
	}
	if err := replace(refPath(dirs, name), []byte(id+"\n"+name+"\n")); err != nil {
		return fmt.Errorf("name image: %w", err)
	}
	return nil
}

// Unname removes name if it refers to the image id.
func Unname(dirs paths.Dirs, name, id string) error {
	owner, err := lookup(dirs, name)
	if errors.Is(err, ErrNotFound) || (err == nil && owner != id) {
		return nil
	}
	if err := os.Remove(refPath(dirs, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image name: %w", err)
	}
	return nil
}

// Prune removes the references to p's image that p does not have.
func Prune(dirs paths.Dirs, p *Plan) error {
	refs, err := References(dirs)
	if err != nil {
		return err
	}
	keep := p.references()
	for name, id := range refs {
		if id != p.ID || slices.Contains(keep, name) {
			continue
		}
		if err := Unname(dirs, name, id); err != nil {
			return err
		}
	}
	return nil
}

// References returns every name, digest references included, and the image ID
// it stands for.
func References(dirs paths.Dirs) (map[string]string, error) {
	refs := map[string]string{}
	for _, dir := range []string{dirs.Refs(), filepath.Join(dirs.Refs(), digests)} {
		files, err := list(dir)
		if err != nil {
			return nil, fmt.Errorf("list image names: %w", err)
		}
		for _, f := range files {
			if f[0] == '.' || f == digests {
				continue
			}
			path := filepath.Join(dir, f)
			if id, name, err := readRef(path); err == nil && refPath(dirs, name) == path {
				refs[name] = id // else it was removed meanwhile, or is not ours
			}
		}
	}
	return refs, nil
}

// lookup returns the ID that a full name refers to.
func lookup(dirs paths.Dirs, name string) (string, error) {
	id, got, err := readRef(refPath(dirs, name))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && got != name) {
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return id, err
}

func readRef(path string) (id, name string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	id, rest, _ := strings.Cut(string(b), "\n")
	name, _, ok := strings.Cut(rest, "\n")
	if !ok || !isID(id) {
		return "", "", fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	return id, name, nil
}

// references are p's names and, for each repository, the manifest digests.
func (p *Plan) references() []string {
	refs := slices.Clone(p.Names)
	for _, n := range p.Names {
		for _, d := range append([]string{p.Digest}, p.Digests...) {
			if d != "" {
				refs = append(refs, repository(n)+"@"+d)
			}
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}
