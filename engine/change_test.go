package engine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/transfer"
)

func TestPathsInOrder(t *testing.T) {
	want := []string{"/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.b", "/ab"}
	got := []string{"/ab", "/a.b", "/a/b/c", "/a-b", "/a", "/", "/a/b"}
	slices.SortFunc(got, comparePaths)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSourceNames(t *testing.T) {
	dir := transfer.Found{Dir: os.Stdin, Parent: os.Stdin}
	nameless := transfer.Found{Dir: os.Stdin}
	for _, c := range []struct {
		typed    string
		found    transfer.Found
		name     string
		contents bool
	}{
		{"a/b", dir, "b", false},
		{"a/b/", dir, "b", false},
		{"/", nameless, ".", true},
		{".", nameless, ".", true},
		{"a/.", nameless, ".", true},
		{"..", nameless, ".", true},
		{"f", transfer.Found{Parent: os.Stdin}, "f", false},
	} {
		if name, contents := sourceName(c.typed, c.found); name != c.name || contents != c.contents {
			t.Errorf("%s: %s, %v", c.typed, name, contents)
		}
	}
}

// TestOnlyWhatChangedIsWritten is about update: what it does not name stays as
// the kernel has it.
func TestOnlyWhatChangedIsWritten(t *testing.T) {
	ten := int64(10)
	before := spec.Resources{Memory: 100, MemorySwap: 300, CPUQuota: 5, CPUPeriod: 10, CPUShares: 2, CgroupParent: "/x"}
	for _, c := range []struct {
		change func(*spec.Resources)
		want   cgroup.Limits
	}{
		{func(*spec.Resources) {}, cgroup.Limits{}},
		{func(r *spec.Resources) { r.Memory = 200 }, cgroup.Limits{Memory: 200, MemorySwap: 300}},
		{func(r *spec.Resources) { r.MemorySwap = -1 }, cgroup.Limits{Memory: 100, MemorySwap: -1}},
		{func(r *spec.Resources) { r.Memory, r.MemorySwap = 50, 0 }, cgroup.Limits{Memory: 50, MemorySwap: 100}},
		{func(r *spec.Resources) { r.Memory = 0 }, cgroup.Limits{Memory: -1, MemorySwap: -1}},
		{func(r *spec.Resources) { r.CPUQuota = 6 }, cgroup.Limits{CPUQuota: 6, CPUPeriod: 10}},
		{func(r *spec.Resources) { r.CPUQuota, r.CPUPeriod = 0, 0 }, cgroup.Limits{CPUQuota: -1}},
		{func(r *spec.Resources) { r.PidsLimit = &ten }, cgroup.Limits{Pids: 10}},
		{func(r *spec.Resources) { r.CPUSetCPUs, r.BlkioWeight = "0-1", 20 }, cgroup.Limits{CPUs: "0-1", IOWeight: 20}},
	} {
		now := before
		c.change(&now)
		if got := limitsToSet(before, now); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func TestSizeCountsLinksOnce(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1000), 0o600))
	must(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	must(t, os.Symlink("a", filepath.Join(dir, "l")))
	must(t, os.WriteFile(filepath.Join(dir, "c"), make([]byte, 24), 0o600))
	if n, err := treeSize(dir); err != nil || n != 1024 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := treeSize(filepath.Join(dir, "nosuch")); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestStatsOfThisProcess(t *testing.T) {
	self := someone(t)
	s, err := ReadStats(Record{ID: "x", PID: self.PID, Start: self.Start, BootID: thisBoot(t), Network: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Running || s.PIDs < 1 || s.Memory <= 0 || s.MemoryLimit <= s.Memory || !s.FromProc || s.NetIn < 0 {
		t.Errorf("got %+v", s)
	}
	gone := dead(t)
	s, err = ReadStats(Record{ID: "x", PID: gone.PID, Start: gone.Start, BootID: thisBoot(t)})
	if err != nil || s.Running || s.CPU != unknown || s.Memory != unknown {
		t.Errorf("%+v, %v", s, err)
	}
}
