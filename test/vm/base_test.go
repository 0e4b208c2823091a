package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// These tests need no machine.

func TestKeyFollowsTheRecipe(t *testing.T) {
	a, err := recipeKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := recipeKey()
	if err != nil || a != b || len(a) != 16 {
		t.Errorf("keys %q and %q, %v", a, b, err)
	}
}

func TestBuildWaitsForItsTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second lock: %v", err)
	}
	unlock()
	again, err := lock(t.Context(), path)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	again()
}

func TestPruneKeepsBaseAndPackages(t *testing.T) {
	r := Recipe{Cache: t.TempDir()}
	for _, name := range []string{"debs", "keep", "old", "old.tmp"} {
		if err := os.MkdirAll(filepath.Join(r.Cache, name, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.prune(Base{Dir: filepath.Join(r.Cache, "keep")})
	entries, err := os.ReadDir(r.Cache)
	if err != nil || len(entries) != 2 || entries[0].Name() != "debs" || entries[1].Name() != "keep" {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestPrerequisitesNameWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := Recipe{Cache: t.TempDir(), Mirror: "http://127.0.0.1:1/debian/"}
	err := r.Prerequisites(t.Context())
	if !errors.Is(err, ErrNoMachine) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"qemu-system-x86_64", "apt-get install -y qemu-system-x86 ", "mirror: ", "127.0.0.1:1/debian/dists"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestPayloadDiskHoldsTheFiles(t *testing.T) {
	if _, err := exec.LookPath(sbin("debugfs")); err != nil {
		t.Skip("debugfs not installed (sudo apt-get install -y e2fsprogs)")
	}
	source, dir := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{"a/b": "hello", "c": strings.Repeat("x", 3<<20)} {
		path := filepath.Join(source, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	image, err := Payload{"tree": source, "one": filepath.Join(source, "c")}.disk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/tree/a/b", "/tree/c", "/one"} {
		out, err := exec.CommandContext(t.Context(), sbin("debugfs"), "-R", "stat "+path, image).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Type: regular") || !strings.Contains(string(out), "Mode:  0755") {
			t.Errorf("%s: %v %s", path, err, out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside the image: %v %v", left, err)
	}
}
