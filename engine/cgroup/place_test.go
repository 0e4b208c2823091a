package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/cgroup"
)

// id is one that the engine could have made.
const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// makeGroup makes a cgroup where there is a place for it.
func makeGroup(t *testing.T, parent string, o cgroup.Options) *cgroup.Group {
	t.Helper()
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, parent)
	if err != nil {
		t.Fatal(err)
	}
	if why := p.None(); why != "" {
		t.Fatal(why)
	}
	g, err := p.Make(t.Context(), id, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestNearestFreeAncestorIsThePlace(t *testing.T) {
	dir := tree(t)
	g := makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	if want := strings.TrimPrefix(dir, cgroup.Root) + "/burrow-" + id; g.Path() != want {
		t.Errorf("%s, want %s", g.Path(), want)
	}
	if at, _ := cgroup.Of(os.Getpid()); filepath.Base(at) != "shell" {
		t.Errorf("the command moved to %s without need", at)
	}
}

// Where the only cgroup we have is the one we are in, we step aside: it could
// not pass controllers on otherwise.
func TestCommandStepsAside(t *testing.T) {
	dir := tree(t)
	enter(t, dir)
	g := makeGroup(t, strings.TrimPrefix(dir, cgroup.Root), cgroup.Options{})
	defer g.Remove(t.Context())
	want := strings.TrimPrefix(dir, cgroup.Root)
	for _, c := range words(t, dir, "cgroup.controllers") {
		if c == "hugetlb" || c == "misc" || c == "rdma" {
			continue // no limit of ours is theirs
		}
		if at, _ := cgroup.Of(os.Getpid()); at != want+"/supervisor" {
			t.Errorf("the command is in %s, and %s has %s to pass on", at, want, c)
		}
	}
	if err := g.Check(sleeper(t, g.File())); err != nil {
		t.Error(err)
	}
}

func words(t *testing.T, dir, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// A unit that was delegated to us is preferred to anything further up, but its
// processes, which are not ours, are left where they are.
func TestDelegatedUnitIsThePlace(t *testing.T) {
	dir := tree(t)
	unit := filepath.Join(dir, "ci.service")
	leaf := filepath.Join(unit, "leaf")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(unit, "user.delegate", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	enter(t, leaf)
	g := makeGroup(t, "", cgroup.Options{})
	if filepath.Dir(g.Path()) != strings.TrimPrefix(unit, cgroup.Root) {
		t.Errorf("%s, want it below %s", g.Path(), unit)
	}
	g.Remove(t.Context())

	put(t, unit, sleeper(t, nil))
	g = makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	if filepath.Dir(g.Path()) == strings.TrimPrefix(unit, cgroup.Root) {
		t.Errorf("%s holds a foreign process and cannot pass controllers on", unit)
	}
}

func TestNoPlace(t *testing.T) {
	dir := tree(t)
	foreign := filepath.Join(dir, "foreign")
	mine := filepath.Join(dir, "mine")
	for _, d := range []string{foreign, mine} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(foreign, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	put(t, mine, sleeper(t, nil))
	rel := func(d string) string { return strings.TrimPrefix(d, cgroup.Root) }
	for _, c := range []struct{ parent, says string }{
		{rel(dir) + "/nowhere", "no such file"},
		{rel(foreign), "does not belong to you"},
		{rel(mine), "holds processes"},
		{"relative", "neither the absolute path"},
		{"my.slice", "service manager"},
	} {
		_, err := cgroup.Find(t.Context(), cgroup.Manager{}, c.parent)
		if !errors.Is(err, cgroup.ErrParent) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want ErrParent and %q", c.parent, err, c.says)
		}
	}
	if _, err := cgroup.Find(t.Context(), cgroup.Manager{UID: 12345, RuntimeDir: t.TempDir()}, "my.slice"); !errors.Is(err, cgroup.ErrNoManager) {
		t.Errorf("a manager that does not run: %v", err)
	}
}

// The kernel refuses to clone across a border that is not ours, so we say so before.
func TestNoPlaceAcrossAForeignBorder(t *testing.T) {
	dir := tree(t)
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	_, err := cgroup.Find(t.Context(), cgroup.Manager{}, strings.TrimPrefix(other, cgroup.Root))
	if !errors.Is(err, cgroup.ErrParent) || !strings.Contains(err.Error(), "no cgroup above both") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutCgroupV2(t *testing.T) {
	if cgroup.Unified() {
		t.Skip("cgroup v2 is here; the test is for hosts without")
	}
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil || !strings.Contains(p.None(), "cgroup v2 is not mounted") {
		t.Errorf("%q, %v", p.None(), err)
	}
	if _, err := cgroup.Find(t.Context(), cgroup.Manager{}, "/x"); !errors.Is(err, cgroup.ErrParent) {
		t.Errorf("--cgroup-parent: %v", err)
	}
}
