package transfer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestHostileTar unpacks what must not leave the directory.
func TestHostileTar(t *testing.T) {
	base := t.TempDir()
	host := filepath.Join(base, "host")
	write(t, filepath.Join(host, "file"), "mine")
	reg := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	for name, headers := range map[string][]tar.Header{
		"dots":               {reg("../host/file")},
		"through a link":     {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: host}, reg("l/file")},
		"through a relative": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../host"}, reg("l/file")},
		"over a link":        {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: filepath.Join(host, "file")}, reg("l")},
		"hard link out":      {{Name: "h", Typeflag: tar.TypeLink, Linkname: "../host/file"}, reg("h")},
		"hard link absolute": {{Name: "h", Typeflag: tar.TypeLink, Linkname: filepath.Join(host, "file")}, reg("h")},
		"hard through link":  {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: host}, {Name: "h", Typeflag: tar.TypeLink, Linkname: "l/file"}, reg("h")},
		"directory mode":     {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: host}, {Name: "l", Typeflag: tar.TypeDir, Mode: 0o777}},
		"top is a link":      {{Name: ".", Typeflag: tar.TypeSymlink, Linkname: host}, reg("file")},
		"device":             {{Name: "dev", Typeflag: tar.TypeBlock, Devmajor: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			dest := filepath.Join(base, "dest-"+strings.ReplaceAll(name, " ", "-"))
			must(t, os.Mkdir(dest, 0o755))
			var b bytes.Buffer
			tw := tar.NewWriter(&b)
			for _, h := range headers {
				h.Size = 0
				must(t, tw.WriteHeader(&h))
			}
			must(t, tw.Close())
			w := Writer{Base: open(t, dest)}
			err := ReadTar(t.Context(), &b, &w)
			t.Log(err)
			if got := read(t, filepath.Join(host, "file")); got != "mine" {
				t.Errorf("the host's file is now %q", got)
			}
			if got := listing(t, host); !reflect.DeepEqual(got, []string{"file"}) {
				t.Errorf("the host's directory is now %v", got)
			}
			if info, _ := os.Stat(host); info.Mode().Perm() != 0o755 {
				t.Errorf("the host's directory has mode %v", info.Mode())
			}
			if _, err := os.Lstat(filepath.Join(dest, "dev")); err == nil {
				t.Error("a device was made")
			}
		})
	}
}

func TestCompressedStreams(t *testing.T) {
	var plain bytes.Buffer
	sink := NewTarSink(&plain)
	must(t, sink.Put(file("f", "x", 0o644)))
	must(t, sink.Close())
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(plain.Bytes())
	must(t, errors.Join(err, z.Close()))
	var got recorded
	must(t, ReadTar(t.Context(), &zipped, &got))
	if got.bodies["f"] != "x" {
		t.Errorf("got %v", got.names())
	}
	for _, bad := range []string{"", "\xfd7zXZ\x00 and more", "\x28\xb5\x2f\xfd and more", "\x1f\x8bx", "BZhx", strings.Repeat("x", 1024)} {
		if err := ReadTar(t.Context(), strings.NewReader(bad), &recorded{}); !errors.Is(err, ErrArchive) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

func FuzzReadTar(f *testing.F) {
	var b bytes.Buffer
	sink := NewTarSink(&b)
	for _, e := range []*Entry{directory("d", 0o755), file("d/f", "x", 0o644), symlinkEntry("l", "/"), file("l/etc/x", "y", 0o644)} {
		if err := sink.Put(e); err != nil {
			f.Fatal(err)
		}
	}
	_ = sink.Close()
	f.Add(b.Bytes())
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		base := t.TempDir()
		dest := filepath.Join(base, "dest")
		must(t, os.Mkdir(dest, 0o755))
		dir := open(t, dest)
		w := Writer{Base: dir}
		_ = ReadTar(t.Context(), bytes.NewReader(data), &w)
		_ = w.Close()
		if entries, _ := os.ReadDir(base); len(entries) != 1 {
			t.Errorf("outside: %v", entries)
		}
	})
}
