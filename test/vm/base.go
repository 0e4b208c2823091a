package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

//go:embed all:recipe
var recipeFiles embed.FS

// Recipe says how the base is made and where it is kept.
type Recipe struct {
	Cache  string       // directory of bases, created when missing
	Mirror string       // Debian mirror; the one of this host's apt if empty
	Log    *slog.Logger // progress; nil discards
}

// Base is a built machine that is not running. It is never written to again.
type Base struct {
	Dir string
}

func (b Base) disk() string                 { return filepath.Join(b.Dir, "disk.img") }
func (b Base) kernel(version string) string { return filepath.Join(b.Dir, "vmlinuz-"+version) }
func (b Base) initrd(version string) string { return filepath.Join(b.Dir, "initrd-"+version) }
func (b Base) key() string                  { return filepath.Join(b.Dir, "key") }
func (b Base) knownHosts() string           { return filepath.Join(b.Dir, "known_hosts") }
func (b Base) lockPath() string             { return filepath.Join(b.Dir, "lock") }

// Cached returns the base if it is built already.
func (r Recipe) Cached() (Base, bool) {
	key, err := recipeKey()
	if err != nil {
		return Base{}, false
	}
	base := Base{Dir: filepath.Join(r.Cache, key)}
	_, err = os.Stat(base.disk())
	return base, err == nil
}

// Build returns the base, making it first when the cache has none. Processes that
// ask at the same time wait for the first one.
func (r Recipe) Build(ctx context.Context) (Base, error) {
	if base, ok := r.Cached(); ok {
		return base, nil
	}
	if err := os.MkdirAll(r.Cache, 0o755); err != nil {
		return Base{}, fmt.Errorf("create cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(r.Cache, "lock"))
	if err != nil {
		return Base{}, err
	}
	defer unlock()
	base, ok := r.Cached()
	if ok {
		return base, nil
	}
	r.prune(base)
	return base, r.make(ctx, base)
}

// unusedAfter is how long a base of another recipe is kept: branches differ in it.
const unusedAfter = 24 * time.Hour

// prune removes what a killed build left, and bases of other recipes that nobody has
// booted lately and no machine runs on. The caller holds the lock of the cache.
func (r Recipe) prune(keep Base) {
	entries, err := os.ReadDir(r.Cache)
	if err != nil {
		return // nothing to remove is no reason not to build
	}
	for _, e := range entries {
		base := Base{Dir: filepath.Join(r.Cache, e.Name())}
		switch {
		case !e.IsDir(), base == keep, e.Name() == "debs":
		case strings.HasSuffix(e.Name(), ".tmp"):
			_ = os.RemoveAll(base.Dir)
		default:
			base.removeUnused()
		}
	}
}

func (b Base) removeUnused() {
	info, err := os.Stat(b.lockPath())
	if err != nil || time.Since(info.ModTime()) < unusedAfter {
		return
	}
	f, err := os.Open(b.lockPath())
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(b.Dir)
	}
}

// hold keeps prune away from a base that is in use, until the file is closed.
func (b Base) hold() (*os.File, error) {
	f, err := os.OpenFile(b.lockPath(), os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open base: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	if _, err := os.Stat(b.disk()); err != nil {
		f.Close()
		return nil, fmt.Errorf("base was removed while it was opened: %w", err)
	}
	// Not ours to touch if another user built it; then it is pruned by its age.
	_ = os.Chtimes(b.lockPath(), time.Time{}, time.Now())
	return f, nil
}

// make runs the recipe beside the base's place and renames the result into it, so
// that a base exists whole or not at all.
func (r Recipe) make(ctx context.Context, base Base) error {
	work := base.Dir + ".tmp"
	recipe := filepath.Join(work, "recipe")
	if err := unpackRecipe(recipe); err != nil {
		return err
	}
	mirror, err := r.mirror()
	if err != nil {
		return err
	}
	// A pid namespace: whatever the build leaves running dies with its first process,
	// and with it the mounts in its mount namespace.
	command := append(asRoot(), "unshare", "--mount", "--propagation", "private",
		"--pid", "--fork", "--kill-child", "bash", filepath.Join(recipe, "build.sh"), work, mirror)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var tail bytes.Buffer
	out := &lineWriter{log: r.logger(), keep: &tail}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the machine: %w\n%s", err, tail.String())
	}
	if err := os.RemoveAll(recipe); err != nil {
		return fmt.Errorf("remove recipe: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "lock"), nil, 0o644); err != nil {
		return fmt.Errorf("create lock: %w", err)
	}
	if err := os.Rename(work, base.Dir); err != nil {
		return fmt.Errorf("publish base: %w", err)
	}
	return nil
}

// asRoot is what goes before a command that needs root.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return nil
	}
	return []string{"sudo", "-n"}
}

func (r Recipe) mirror() (string, error) {
	if r.Mirror == "" {
		return testbed.Mirror()
	}
	return strings.TrimRight(r.Mirror, "/"), nil
}

func (r Recipe) logger() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}

// recipeKey is the hash of every file of the recipe, names included.
func recipeKey() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(recipeFiles, "recipe", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := recipeFiles.ReadFile(name)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash recipe: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

func unpackRecipe(dir string) error {
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("remove unfinished build: %w", err)
	}
	files, err := fs.Sub(recipeFiles, "recipe")
	if err != nil {
		return fmt.Errorf("open recipe: %w", err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		return fmt.Errorf("unpack recipe: %w", err)
	}
	return nil
}

// lock takes an exclusive lock on a file; the lock dies with the process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, os.NewSyscallError("flock", err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another build: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lineWriter logs what a command prints line by line and keeps it for the error.
type lineWriter struct {
	log  *slog.Logger
	keep *bytes.Buffer
	part string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.keep.Write(p)
	lines := strings.Split(w.part+string(p), "\n")
	w.part = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		w.log.Info("build", slog.String("line", line))
	}
	return len(p), nil
}
