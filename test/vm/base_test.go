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

func TestPruneRemovesOnlyWhatNobodyUses(t *testing.T) {
	r := Recipe{Cache: t.TempDir()}
	long := time.Now().Add(-2 * unusedAfter)
	for name, used := range map[string]time.Time{
		"debs": long, "keep": long, "recent": time.Now(), "old": long, "running": long, "killed.tmp": time.Now(),
	} {
		base := Base{Dir: filepath.Join(r.Cache, name)}
		if err := errors.Join(os.MkdirAll(base.Dir, 0o755), os.WriteFile(base.disk(), nil, 0o600),
			os.WriteFile(base.lockPath(), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if name == "running" {
			held, err := base.hold()
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
		}
		if err := os.Chtimes(base.lockPath(), used, used); err != nil {
			t.Fatal(err)
		}
	}
	r.prune(Base{Dir: filepath.Join(r.Cache, "keep")})
	entries, err := os.ReadDir(r.Cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "debs keep recent running" {
		t.Errorf("left: %s", got)
	}
	if _, err := (Base{Dir: filepath.Join(r.Cache, "old")}).hold(); err == nil {
		t.Error("a removed base can be held")
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
