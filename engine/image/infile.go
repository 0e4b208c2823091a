package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	digest "github.com/opencontainers/go-digest"

	"github.com/burrow-run/burrow/engine/image/unpack"
)

// The image library reads a docker-archive layer by layer, hashes each, and would have
// us pipe it to the worker. But a layer is a piece of a file, and the worker hashes
// what it unpacks: so it is given the file, and what the library has to say of the
// piece is not read.

// inFile says where in an archive its layers are. nil knows of none.
type inFile struct {
	path   string
	layers map[digest.Digest]span // by diff ID
}

// span is a piece of a file, in bytes.
type span struct{ offset, size int64 }

// maxMembers is how many files of an archive are looked at, maxListed how large the
// list of its images may be in bytes.
const (
	maxMembers = 100_000
	maxListed  = 4 << 20
)

// layersIn looks where the layers of a docker-archive are, and returns nil where it is
// not plain enough to say. What it finds is but a guess, which a hash decides.
func layersIn(archive string) *inFile {
	f, err := os.Open(archive)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	members, err := membersOf(f)
	if err != nil {
		return nil
	}
	var images []struct {
		Config string
		Layers []string
	}
	if members.read(f, "manifest.json", maxListed, &images) != nil {
		return nil
	}
	in := &inFile{path: archive, layers: map[digest.Digest]span{}}
	for _, img := range images {
		var c struct {
			RootFS struct {
				DiffIDs []digest.Digest `json:"diff_ids"`
			} `json:"rootfs"`
		}
		if members.read(f, img.Config, maxConfig, &c) != nil || len(c.RootFS.DiffIDs) != len(img.Layers) {
			return nil
		}
		for i, d := range c.RootFS.DiffIDs {
			if at, ok := members[path.Clean(img.Layers[i])]; ok { // no link, as some writers make for what is there twice
				in.layers[d] = at
			}
		}
	}
	return in
}

// members are the plain files of a tar, by their names.
type members map[string]span

func membersOf(f *os.File) (members, error) {
	out := members{}
	for tr := tar.NewReader(f); len(out) < maxMembers; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := f.Seek(0, io.SeekCurrent) // the tar reader reads headers only, and skips the rest
		if err != nil {
			return nil, err
		}
		name := path.Clean(hdr.Name)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%w: %q is there twice", ErrInvalid, hdr.Name)
		}
		if hdr.Typeflag == tar.TypeReg && hdr.PAXRecords["GNU.sparse.major"] == "" && hdr.PAXRecords["GNU.sparse.map"] == "" {
			out[name] = span{at, hdr.Size}
		}
	}
	return nil, fmt.Errorf("%w: more than %d files", ErrInvalid, maxMembers)
}

func (m members) read(f *os.File, name string, limit int64, into any) error {
	at, ok := m[path.Clean(name)]
	if !ok || at.size > limit {
		return fmt.Errorf("%w: no %q", ErrInvalid, name)
	}
	b := make([]byte, at.size)
	if _, err := f.ReadAt(b, at.offset); err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// open returns the layer, or nil. The caller closes it.
func (in *inFile) open(diffID digest.Digest) (*unpack.Section, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // no file, no layer
	}
	at, ok := in.layers[diffID]
	if !ok || diffID.Algorithm() != digest.SHA256 {
		return nil, nil //nolint:nilnil // likewise
	}
	f, err := os.Open(in.path)
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	return unpack.NewSection(f, at.offset, at.size)
}
