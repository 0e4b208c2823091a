package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// arena is a container's root whose directory d changes places all the time
// with a link that leads to a directory of the host, as in CVE-2018-15664.
type arena struct {
	jail, host string
	swaps      atomic.Int64
}

const (
	inside = "inside"
	secret = "secret"
)

func newArena(t *testing.T) *arena {
	t.Helper()
	base := t.TempDir()
	a := &arena{jail: filepath.Join(base, "jail"), host: filepath.Join(base, "host")}
	write(t, filepath.Join(a.jail, "d", "f"), inside)
	write(t, filepath.Join(a.jail, "d", "sub", "f"), inside)
	write(t, filepath.Join(a.host, "f"), secret)
	write(t, filepath.Join(a.host, "sub", "f"), secret)
	must(t, os.Symlink(a.host, filepath.Join(a.jail, "l")))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(a.jail, "d"), unix.AT_FDCWD, filepath.Join(a.jail, "l"), unix.RENAME_EXCHANGE)
			if err == nil {
				a.swaps.Add(1)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return a
}

// attack tries until the control has been led out several times, so that the
// race is known to have been there; victim must never be.
func (a *arena) attack(t *testing.T, control, victim func() (escaped bool)) {
	t.Helper()
	led := 0
	begin := time.Now()
	for end := begin.Add(20 * time.Second); time.Now().Before(end) && (led < 20 || time.Since(begin) < 1500*time.Millisecond); {
		for range 50 {
			if victim() {
				t.Fatal("led out of the root")
			}
			if control() {
				led++
			}
		}
	}
	if led < 20 {
		t.Fatalf("the control was led out %d times in %d swaps: the test shows nothing", led, a.swaps.Load())
	}
}

func TestRaceFind(t *testing.T) {
	a := newArena(t)
	root := Root{Dir: open(t, a.jail)}
	a.attack(t,
		func() bool { // look, then use
			path := filepath.Join(a.jail, "d", "f")
			if info, err := os.Lstat(filepath.Dir(path)); err != nil || !info.IsDir() {
				return false
			}
			b, err := os.ReadFile(path)
			return err == nil && string(b) == secret
		},
		func() bool {
			found, err := root.Find("d/f")
			if err != nil {
				return false
			}
			defer found.Close()
			if !found.Exists() {
				return false
			}
			var got recorded
			w := Walker{}
			if w.File(t.Context(), found.Parent, found.Base, "f", &got) != nil {
				return false
			}
			return got.bodies["f"] == secret
		})
}

func TestRaceWalk(t *testing.T) {
	a := newArena(t)
	dir := open(t, a.jail)
	a.attack(t,
		func() bool {
			led := false
			_ = filepath.WalkDir(filepath.Join(a.jail, "d"), func(path string, e os.DirEntry, err error) error {
				if err == nil && e.Name() == "f" {
					b, err := os.ReadFile(path)
					led = led || err == nil && string(b) == secret
				}
				return nil
			})
			return led
		},
		func() bool {
			if _, err := dir.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			var got recorded
			w := Walker{}
			_ = w.Walk(t.Context(), dir, "top", &got)
			for _, b := range got.bodies {
				if b == secret {
					return true
				}
			}
			return false
		})
}

func TestRaceWrite(t *testing.T) {
	a := newArena(t)
	escaped := func() bool {
		one, two := os.Remove(filepath.Join(a.host, "planted")), os.Remove(filepath.Join(a.host, "sub", "planted"))
		return one == nil || two == nil
	}
	a.attack(t,
		func() bool {
			dir := filepath.Join(a.jail, "d")
			if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
				return false
			}
			_ = os.WriteFile(filepath.Join(dir, "planted"), nil, 0o600)
			return escaped()
		},
		func() bool {
			w := Writer{Base: open1(t, a.jail)}
			defer w.Base.Close()
			_ = w.Put(directory("d", 0o777))
			_ = w.Put(file("d/planted", "x", 0o4777))
			_ = w.Put(directory("d/sub", 0o777))
			_ = w.Put(file("d/sub/planted", "x", 0o4777))
			_ = w.Close()
			return escaped()
		})
	checkHost(t, a)
}

// TestRaceRemove is about --overwrite, which deletes directories.
func TestRaceRemove(t *testing.T) {
	a := newArena(t)
	canary := filepath.Join(a.host, "gone")
	escaped := func() bool {
		if _, err := os.Lstat(canary); errors.Is(err, os.ErrNotExist) {
			write(t, canary, secret)
			return true
		}
		return false
	}
	write(t, canary, secret)
	w := Writer{Base: open(t, filepath.Dir(a.jail)), Overwrite: true}
	a.attack(t,
		func() bool {
			dir := filepath.Join(a.jail, "d")
			if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
				return false
			}
			_ = os.Remove(filepath.Join(dir, "gone"))
			return escaped()
		},
		func() bool {
			// A file in the place of the root takes away all of it, or fails
			// because something came back.
			_ = w.Put(file("jail", "x", 0o644))
			_ = os.Remove(a.jail)
			_ = os.MkdirAll(filepath.Join(a.jail, "d"), 0o755)
			_ = os.WriteFile(filepath.Join(a.jail, "d", "gone"), nil, 0o600)
			_ = os.Symlink(a.host, filepath.Join(a.jail, "l"))
			return escaped()
		})
	checkHost(t, a)
}

// checkHost demands that nothing of the host has changed its mode.
func checkHost(t *testing.T, a *arena) {
	t.Helper()
	for path, want := range map[string]os.FileMode{a.host: 0o755 | os.ModeDir, filepath.Join(a.host, "sub"): 0o755 | os.ModeDir, filepath.Join(a.host, "f"): 0o644} {
		info, err := os.Lstat(path)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func open1(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	return f
}

// TestBodiesAreBounded grows a file without end while it is read.
func TestBodiesAreBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	write(t, path, "begin")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = f.Write(make([]byte, 4096))
		}
		f.Close()
	}()
	defer func() { cancel(); <-done }()
	var got recorded
	w := Walker{}
	must(t, w.Walk(t.Context(), open(t, dir), ".", &got))
	if e := got.entry(t, "log"); int64(len(got.bodies["log"])) != e.Size {
		t.Errorf("%d bytes were announced and %d read", e.Size, len(got.bodies["log"]))
	}
}
