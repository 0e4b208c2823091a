package cases

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// floors are the versions from which on a known hole is closed. A module that is
// not needed at all meets its floor.
var floors = map[string]string{
	"go":                                            "1.26.5",  // os.Root: CVE-2026-39822
	"github.com/opencontainers/runc":                "v1.5.0",  // CVE-2025-31133, -52565, -52881, CVE-2026-41579
	"github.com/opencontainers/selinux":             "v1.13.0", // CVE-2025-52881
	"github.com/moby/sys/user":                      "v0.4.1",  // CVE-2026-61801
	"github.com/moby/go-archive":                    "v0.3.3",  // CVE-2026-17106
	"github.com/rootless-containers/rootlesskit/v3": "v3.0.2",  // pasta's way to the host's loopback
	"github.com/ulikunitz/xz":                       "v0.5.15", // CVE-2025-58058
	"golang.org/x/crypto":                           "v0.56.0",
}

func TestVersionFloors(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, low := range below(string(mod)) {
		t.Error(low)
	}
	// The control: older ones are seen.
	old := "go 1.26.4\nrequire github.com/moby/sys/user v0.4.0\nrequire (\n\tgithub.com/opencontainers/runc v1.3.99 // indirect\n\tgithub.com/moby/go-archive v0.1.0\n)\n"
	if got := below(old); len(got) != 4 {
		t.Errorf("of an old go.mod: %v", got)
	}
}

// below lists what a go.mod requires that is below its floor.
func below(mod string) (out []string) {
	for line := range strings.Lines(mod) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) < 2 {
			continue
		}
		if floor, ok := floors[f[0]]; ok && less(f[1], floor) {
			out = append(out, fmt.Sprintf("%s %s is below %s", f[0], f[1], floor))
		}
	}
	return out
}

// less compares versions of three numbers; a pre-release counts as its release.
func less(a, b string) bool {
	x, y := numbers(a), numbers(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

func numbers(v string) (out [3]int) {
	for i, s := range regexp.MustCompile(`\d+`).FindAllString(v, 3) {
		out[i], _ = strconv.Atoi(s) // digits
	}
	return out
}
