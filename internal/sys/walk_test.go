package sys_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

func TestWalkBeneath(t *testing.T) {
	dir, _ := trees(t)
	must(t, os.MkdirAll(filepath.Join(dir.Name(), "e", "f"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir.Name(), "d", "x"), nil, 0o644))
	var seen []string
	must(t, sys.WalkBeneath(dir, func(name string, _ *unix.Stat_t) error {
		seen = append(seen, name)
		if name == "e" {
			return fs.SkipDir
		}
		return nil
	}))
	if want := []string{"d", "d/x", "e", "file", "magic", "out", "self", "up"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
	want := errors.New("stop")
	if err := sys.WalkBeneath(dir, func(string, *unix.Stat_t) error { return want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
}

// A directory that has been seen is something else when it is to be entered.
func TestWalkBeneathRaces(t *testing.T) {
	for kind, swap := range map[string]func(outside, path string) error{
		"link": os.Symlink,
		"pipe": func(_, path string) error { return unix.Mkfifo(path, 0o600) },
		"gone": func(_, _ string) error { return nil },
	} {
		t.Run(kind, func(t *testing.T) {
			dir, outside := trees(t)
			path := filepath.Join(dir.Name(), "d")
			must(t, sys.WalkBeneath(dir, func(name string, _ *unix.Stat_t) error {
				if filepath.Base(name) == "secret" {
					t.Error("led out to", name)
				}
				if name != "d" {
					return nil
				}
				must(t, os.RemoveAll(path))
				return swap(outside, path)
			}))
		})
	}
}
