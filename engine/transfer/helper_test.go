package transfer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// recorded is a sink that remembers what it got.
type recorded struct {
	entries []Entry
	bodies  map[string]string
}

func (r *recorded) Put(e *Entry) error {
	if r.bodies == nil {
		r.bodies = map[string]string{}
	}
	if e.Body != nil {
		b, err := io.ReadAll(e.limited())
		if err != nil {
			return err
		}
		r.bodies[e.Name] = string(b)
	}
	r.entries = append(r.entries, *e)
	return nil
}

func (r *recorded) names() []string {
	var out []string
	for _, e := range r.entries {
		out = append(out, e.Name)
	}
	return out
}

func (r *recorded) entry(t *testing.T, name string) Entry {
	t.Helper()
	for _, e := range r.entries {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no entry %s among %v", name, r.names())
	return Entry{}
}

func open(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listing is every name below dir.
func listing(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			out = append(out, path[len(dir)+1:])
		}
		return err
	}))
	return out
}

func file(name, content string, mode uint32) *Entry {
	return &Entry{Name: name, Mode: unix.S_IFREG | mode, Size: int64(len(content)), Body: bytes.NewBufferString(content)}
}

func directory(name string, mode uint32) *Entry { return &Entry{Name: name, Mode: unix.S_IFDIR | mode} }

func symlinkEntry(name, target string) *Entry {
	return &Entry{Name: name, Mode: unix.S_IFLNK | 0o777, Link: target}
}
