package security

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	f := mustCompile(t, Options{}, Probe()).Seccomp
	dir := filepath.Join(t.TempDir(), "seccomp")
	fresh, err := f.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Cached {
		t.Error("found in an empty cache")
	}
	cached, err := f.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !cached.Cached || !bytes.Equal(cached.Instructions, fresh.Instructions) || cached.Flags != fresh.Flags {
		t.Error("the cache does not give back what was stored")
	}
	for _, path := range []string{dir, cachePath(dir, f.Key())} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCacheUnsound spoils the entry in each way; each time it must be compiled
// anew and be sound afterwards.
func TestCacheUnsound(t *testing.T) {
	f := mustCompile(t, Options{}, Probe()).Seccomp
	dir := t.TempDir()
	path := cachePath(dir, f.Key())
	want, err := f.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := encodeEntry("another key", want)
	spoil := map[string]func(){
		"empty":     func() { write(nil) },
		"truncated": func() { write(sound[:len(sound)-8]) },
		"odd":       func() { write(append(bytes.Clone(sound), 1)) },
		"bit flip": func() {
			b := bytes.Clone(sound)
			b[len(b)/2] ^= 1
			write(b)
		},
		"another key's": func() { write(other) },
		"huge":          func() { write(make([]byte, 1<<20)) },
		"writable":      func() { write(sound); _ = os.Chmod(path, 0o666) },
		"link": func() {
			_ = os.Rename(path, path+".real")
			_ = os.Symlink(path+".real", path)
		},
		"second name": func() { _ = os.Remove(path + ".2"); _ = os.Link(path, path+".2") },
		"directory":   func() { _ = os.Remove(path); _ = os.Mkdir(path, 0o700) },
		"foreign": func() {
			if err := os.Chown(path, 12345, -1); err != nil {
				write(nil) // only root can give files away; spoil it otherwise
			}
		},
	}
	for name, f2 := range spoil {
		t.Run(name, func(t *testing.T) {
			_ = os.RemoveAll(path)
			_ = os.Remove(path + ".2")
			write(sound)
			if p, err := f.Program(dir); err != nil || !p.Cached {
				t.Fatalf("a sound entry was not used: %v", err)
			}
			f2()
			p, err := f.Program(dir)
			if err != nil {
				t.Fatal(err)
			}
			if p.Cached {
				t.Error("the spoilt entry was used")
			}
			if !bytes.Equal(p.Instructions, want.Instructions) {
				t.Error("another program")
			}
			_ = os.Remove(path + ".2")
			if name == "directory" {
				return // cannot be replaced by a rename; works uncached
			}
			if p, err := f.Program(dir); err != nil || !p.Cached {
				t.Errorf("the entry was not repaired: %v", err)
			}
		})
	}
}

// TestCacheUnwritable: no cache is no reason not to start.
func TestCacheUnwritable(t *testing.T) {
	f := mustCompile(t, Options{}, Probe()).Seccomp
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Program(filepath.Join(file, "seccomp")); err != nil {
		t.Error(err)
	}
}

// TestKey: whatever changes the program changes the key.
func TestKey(t *testing.T) {
	keys := map[string]string{}
	add := func(name string, f *Filter) {
		t.Helper()
		if other, ok := keys[f.Key()]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		keys[f.Key()] = name
	}
	for name, o := range variants {
		add(name, mustCompile(t, o, testHost()).Seccomp)
	}
	h := testHost()
	h.Kernel = "6.2"
	add("kernel", mustCompile(t, Options{}, h).Seccomp)
	h = testHost()
	h.Arch = "arm64"
	add("arch", mustCompile(t, Options{}, h).Seccomp)
	add("profile", &Filter{arch: "amd64", kernel: "6.1", caps: capDefault, path: "p", profile: []byte("{}")})
	add("other profile", &Filter{arch: "amd64", kernel: "6.1", caps: capDefault, path: "p", profile: []byte("{ }")})
}

// TestCacheSpeed holds the budget of the run path with room for a slow machine.
func TestCacheSpeed(t *testing.T) {
	f := mustCompile(t, Options{}, Probe()).Seccomp
	dir := t.TempDir()
	if _, err := f.Program(dir); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 20 {
		start := time.Now()
		if p, err := f.Program(dir); err != nil || !p.Cached {
			t.Fatal("not cached", err)
		}
		best = min(best, time.Since(start))
	}
	t.Logf("from the cache: %v", best)
	if best > 200*time.Microsecond {
		t.Errorf("%v, the budget is 0.2 ms", best)
	}
}

func BenchmarkProgramCached(b *testing.B) {
	f := mustCompile(b, Options{}, Probe()).Seccomp
	dir := b.TempDir()
	for b.Loop() {
		if _, err := f.Program(dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProgramCompiled(b *testing.B) {
	f := mustCompile(b, Options{}, Probe()).Seccomp
	for b.Loop() {
		if _, err := f.Program(""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		mustCompile(b, Options{}, Probe())
	}
}
