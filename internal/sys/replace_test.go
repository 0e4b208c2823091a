package sys_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/burrow-run/burrow/internal/sys"
)

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	tmp, path := filepath.Join(dir, "f.new"), filepath.Join(dir, "f")
	must(t, os.WriteFile(tmp, []byte("what a killed process has left, which is longer"), 0o644))
	for _, durable := range []bool{true, false} {
		for _, text := range []string{"one", "", "three"} {
			must(t, sys.ReplaceFile(tmp, path, []byte(text), durable))
			if b, err := os.ReadFile(path); err != nil || string(b) != text {
				t.Errorf("%q %v, want %q", b, err, text)
			}
		}
	}
	must(t, sys.SyncDir(dir))
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("%v", list)
	}
	// The old one stays where the new one cannot be put.
	must(t, os.Mkdir(path+".dir", 0o700))
	if err := sys.ReplaceFile(tmp, path+".dir", []byte("x"), false); err == nil {
		t.Error("a directory was replaced")
	}
	if _, err := os.Lstat(tmp); err == nil {
		t.Error("the temporary file is left")
	}
	if err := sys.ReplaceFile(filepath.Join(dir, "no", "f"), path, nil, false); err == nil {
		t.Error("in no directory")
	}
	if sys.SyncDir(filepath.Join(dir, "no")) == nil {
		t.Error("no directory was synced")
	}
}
