package sys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReadFileAt(t *testing.T) {
	path := t.TempDir()
	long, short := bytes.Repeat([]byte("long"), 5000), []byte("short")
	for name, text := range map[string][]byte{"long": long, "short": short} {
		if err := os.WriteFile(filepath.Join(path, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var buf []byte
	for _, c := range []struct {
		name string
		want []byte
	}{{"short", short}, {"long", long}, {"short", short}} {
		if buf, err = ReadFileAt(dir, c.name, buf); err != nil || !bytes.Equal(buf, c.want) {
			t.Errorf("%s: %d bytes, %v", c.name, len(buf), err)
		}
	}
	before := cap(buf)
	if buf, err = ReadFileAt(dir, "nosuch", buf); !errors.Is(err, os.ErrNotExist) || cap(buf) != before {
		t.Errorf("%v, buffer of %d", err, cap(buf))
	}
	if b, err := ReadFile(filepath.Join(path, "long")); err != nil || !bytes.Equal(b, long) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
