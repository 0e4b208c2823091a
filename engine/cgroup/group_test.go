package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestBornInTheCgroup(t *testing.T) {
	tree(t)
	g := makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	if err := g.Check(sleeper(t, g.File())); err != nil {
		t.Error(err)
	}
	if err := g.Check(os.Getpid()); err == nil {
		t.Error("a process outside passes for one inside")
	}
	if g.OOMKilled() {
		t.Error("nobody was killed")
	}
}

func TestMissingControllerIsNamed(t *testing.T) {
	dir := tree(t)
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Make(t.Context(), id, cgroup.Options{Asked: []cgroup.Limit{{Flag: "--levity", Controller: "gravity"}}})
	if !errors.Is(err, cgroup.ErrLimit) || !strings.Contains(err.Error(), `--levity`) || !strings.Contains(err.Error(), `"gravity"`) {
		t.Errorf("got %v", err)
	}
	if exists(filepath.Join(dir, "burrow-"+id)) {
		t.Error("a cgroup is left")
	}
}

// A limit that the tree has no file for is an error too, not a shrug.
func TestLimitWithoutFile(t *testing.T) {
	dir := tree(t)
	if strings.Contains(strings.Join(words(t, dir, "cgroup.controllers"), " "), "memory") {
		t.Skip("the memory controller is here; the test needs a host that has it elsewhere")
	}
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Make(t.Context(), id, cgroup.Options{Limits: cgroup.Limits{Memory: 64 << 20}})
	if !errors.Is(err, cgroup.ErrLimit) || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("got %v", err)
	}
	if exists(filepath.Join(dir, "burrow-"+id)) {
		t.Error("a cgroup is left")
	}
}

func TestNestedContainerHasItsLimitsAbove(t *testing.T) {
	dir := tree(t)
	g := makeGroup(t, "", cgroup.Options{Nested: true})
	defer g.Remove(t.Context())
	if filepath.Base(g.Path()) != "container" {
		t.Errorf("born in %s", g.Path())
	}
	if err := g.Check(sleeper(t, g.File())); err != nil {
		t.Error(err)
	}
	if err := g.Give(12345, 12346); err != nil {
		t.Fatal(err)
	}
	for path, owner := range map[string]uint32{
		"": 0, "cgroup.procs": 0, "cgroup.max.depth": 0, // where the limits are
		"container": 12345, "container/cgroup.procs": 12345, "container/cgroup.subtree_control": 12345,
		"container/cgroup.max.depth": 0,
	} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "burrow-"+id, path), &st); err != nil || st.Uid != owner {
			t.Errorf("%q belongs to %d, want %d (%v)", path, st.Uid, owner, err)
		}
	}
}

func TestRemoveKillsWhatIsLeft(t *testing.T) {
	dir := tree(t)
	g := makeGroup(t, "", cgroup.Options{})
	pids := []int{sleeper(t, g.File()), sleeper(t, g.File())}
	sub := filepath.Join(dir, "burrow-"+id, "made", "inside")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, sub, pids[1])
	begin := time.Now()
	g.Remove(t.Context())
	if exists(filepath.Join(dir, "burrow-"+id)) {
		t.Errorf("the cgroup is still there after %s", time.Since(begin))
	}
	for _, pid := range pids {
		if p, err := sys.ProcIDOf(pid); err == nil && p.Alive() {
			t.Errorf("process %d lives", pid)
		}
	}
}

func TestReclaimTakesOnlyWhatNobodyOwns(t *testing.T) {
	dir := tree(t)
	const other, lost, orphan, empty = "fedcba9876543210", "00112233445566778899", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil {
		t.Fatal(err)
	}
	live, err := p.Make(t.Context(), other, cgroup.Options{}) // its owner lives: this process
	if err != nil {
		t.Fatal(err)
	}
	defer live.Remove(t.Context())
	for _, d := range []string{lost, orphan, empty, "of-somebody.service"} {
		if err := os.Mkdir(filepath.Join(dir, "burrow-"+d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A container of the foreground and one of a supervisor, which both were killed.
	put(t, filepath.Join(dir, "burrow-"+lost), sleeper(t, nil))
	if err := unix.Setxattr(filepath.Join(dir, "burrow-"+lost), "user.burrow.mortal", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "burrow-"+orphan), sleeper(t, nil))
	g := makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	g.Reclaim(t.Context())
	for name, want := range map[string]bool{
		"burrow-" + id: true, "burrow-" + other: true, "burrow-" + lost: false,
		"burrow-" + orphan: true, "burrow-" + empty: false, "burrow-of-somebody.service": true,
	} {
		if got := exists(filepath.Join(dir, name)); got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
}

// A foreground container's group is marked, one with a supervisor's is not.
func TestMortality(t *testing.T) {
	dir := tree(t)
	for _, outlives := range []bool{false, true} {
		g := makeGroup(t, "", cgroup.Options{Outlives: outlives})
		_, err := unix.Getxattr(filepath.Join(dir, "burrow-"+id), "user.burrow.mortal", nil)
		if (err != nil) != outlives {
			t.Errorf("outlives %v: %v", outlives, err)
		}
		g.Remove(t.Context())
	}
}

// A supervised container that starts again finds what its killed supervisor has left.
func TestMakeTakesOverWhatIsLeft(t *testing.T) {
	dir := tree(t)
	left := filepath.Join(dir, "burrow-"+id)
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	g := makeGroup(t, "", cgroup.Options{})
	g.Remove(t.Context())

	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, left, sleeper(t, nil)) // it lives
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make(t.Context(), id, cgroup.Options{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("took over the cgroup of a living container: %v", err)
	}
}

func TestJoin(t *testing.T) {
	dir := tree(t)
	g := makeGroup(t, "", cgroup.Options{Nested: true})
	defer g.Remove(t.Context())
	first := sleeper(t, g.File())
	join := func() {
		t.Helper()
		j, err := cgroup.Join(t.Context(), cgroup.Manager{}, g.Path(), first)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Leave()
		if err := j.Check(sleeper(t, j.File())); err != nil {
			t.Error(err)
		}
	}
	join()
	sub := filepath.Join(cgroup.Root, g.Path(), "init.scope") // as systemd in a container does
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, sub, first)
	join()
	put(t, dir+"/shell", first)
	if _, err := cgroup.Join(t.Context(), cgroup.Manager{}, g.Path(), first); err == nil {
		t.Error("joined a container that is not in its cgroup")
	}
	if _, err := cgroup.Join(t.Context(), cgroup.Manager{}, "/user.slice", first); err == nil {
		t.Error("joined a cgroup that is no container's")
	}
}

func TestReclaimAt(t *testing.T) {
	dir := tree(t)
	at := strings.TrimPrefix(dir, cgroup.Root) + "/burrow-" + id
	if err := os.MkdirAll(filepath.Join(cgroup.Root, at, "container"), 0o755); err != nil {
		t.Fatal(err)
	}
	cgroup.ReclaimAt(t.Context(), at+"/container", "fedcba9876543210") // another container's record
	if !exists(filepath.Join(cgroup.Root, at)) {
		t.Fatal("removed for a container that it is not of")
	}
	cgroup.ReclaimAt(t.Context(), at+"/container", id)
	if exists(filepath.Join(cgroup.Root, at)) {
		t.Error("still there")
	}
	cgroup.ReclaimAt(t.Context(), "", id) // a container that had none

	g := makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	cgroup.ReclaimAt(t.Context(), g.Path(), id)
	if !exists(filepath.Join(cgroup.Root, g.Path())) {
		t.Error("taken from a living command")
	}
}

// Two commands that begin at once must not end each other.
func TestMakeAndReclaimAtOnce(t *testing.T) {
	tree(t)
	const hex = "0123456789abcdef"
	p, err := cgroup.Find(t.Context(), cgroup.Manager{}, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for j := 0; j < 20 && err == nil; j++ {
				var g *cgroup.Group
				if g, err = p.Make(t.Context(), strings.Repeat(hex[i:i+1], 16), cgroup.Options{}); err != nil {
					break
				}
				g.Reclaim(t.Context())
				if !exists(filepath.Join(cgroup.Root, g.Path())) {
					err = errors.New(g.Path() + " was taken away")
				}
				g.Remove(t.Context())
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
