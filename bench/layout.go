package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The image of several layers: Debian's root filesystem below, and on it layers
// made of Debian's own files, every byte of them changed by a number, so that
// sizes and compression are those of real software and no two layers are alike.
// All of it follows from the tar alone. The image "most" lacks the last layer,
// a fifth of the bytes.

// partSizes are the bytes of content in the layers on top of Debian.
var partSizes = []int64{79e6, 79e6, 79e6, 100e6}

// layout makes the OCI layout dir, unless it is there.
func layout(dir, debian string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(tmp, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	b := &builder{dir: tmp}
	err := b.layer(func(w io.Writer) error {
		return read(debian, func(r io.Reader) error { _, err := io.Copy(w, r); return err })
	})
	for i, size := range partSizes {
		if err == nil && i == len(partSizes)-1 {
			err = b.image("most")
		}
		if err == nil {
			err = b.layer(func(w io.Writer) error {
				return read(debian, func(r io.Reader) error { return part(w, r, i+1, size) })
			})
		}
	}
	if err == nil {
		err = b.image("all")
	}
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		return fmt.Errorf("make image of several layers: %w", err)
	}
	return os.Rename(tmp, dir)
}

func read(path string, fn func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(bufio.NewReaderSize(f, 1<<20))
}

// part writes a layer of the first files of a tar, size bytes of them, in
// opt/partN, with n added to every byte.
func part(w io.Writer, from io.Reader, n int, size int64) error {
	in, out := tar.NewReader(from), tar.NewWriter(w)
	for size > 0 {
		hdr, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if hdr.Typeflag != tar.TypeReg || hdr.Size == 0 {
			continue
		}
		name := filepath.Join("opt", fmt.Sprintf("part%d", n), hdr.Name)
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: hdr.Mode, Size: hdr.Size, ModTime: hdr.ModTime}); err != nil {
			return err
		}
		if _, err := io.Copy(out, shifted{in, byte(n)}); err != nil {
			return err
		}
		size -= hdr.Size
	}
	return out.Close()
}

type shifted struct {
	r  io.Reader
	by byte
}

func (s shifted) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for i := range p[:n] {
		p[i] += s.by
	}
	return n, err
}

// builder writes an OCI layout.
type builder struct {
	dir    string
	layers []imgspec.Descriptor
	diffs  []digest.Digest
	index  []imgspec.Descriptor
}

func (b *builder) layer(write func(io.Writer) error) error {
	f, err := os.CreateTemp(b.dir, "layer-*")
	if err != nil {
		return err
	}
	defer f.Close()
	plain, packed := sha256.New(), sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, packed))
	if err := write(io.MultiWriter(z, plain)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	sum := func(h hash.Hash) digest.Digest { return digest.NewDigest(digest.SHA256, h) }
	d := imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayerGzip, Digest: sum(packed), Size: st.Size()}
	b.layers, b.diffs = append(b.layers, d), append(b.diffs, sum(plain))
	return os.Rename(f.Name(), b.blob(d.Digest))
}

func (b *builder) blob(d digest.Digest) string {
	return filepath.Join(b.dir, "blobs", "sha256", d.Encoded())
}

// put stores v as JSON.
func (b *builder) put(mime string, v any) (imgspec.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return imgspec.Descriptor{}, err
	}
	d := imgspec.Descriptor{MediaType: mime, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return d, os.WriteFile(b.blob(d.Digest), raw, 0o644)
}

// image makes an image of the layers there are so far.
func (b *builder) image(name string) error {
	conf, err := b.put(imgspec.MediaTypeImageConfig, imgspec.Image{
		Platform: imgspec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		RootFS:   imgspec.RootFS{Type: "layers", DiffIDs: b.diffs},
	})
	if err != nil {
		return err
	}
	m, err := b.put(imgspec.MediaTypeImageManifest, imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest, Config: conf, Layers: b.layers,
	})
	if err != nil {
		return err
	}
	m.Annotations = map[string]string{imgspec.AnnotationRefName: name}
	b.index = append(b.index, m)
	return nil
}

func (b *builder) finish() error {
	for name, v := range map[string]any{
		"index.json":            imgspec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex, Manifests: b.index},
		imgspec.ImageLayoutFile: imgspec.ImageLayout{Version: imgspec.ImageLayoutVersion},
	} {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}
