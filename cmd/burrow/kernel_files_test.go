package main_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestKernelFilesAreKnown shows I30: what a default container can read of the
// kernel's files tells a little about the host; the list of it does not grow.
func TestKernelFilesAreKnown(t *testing.T) {
	known, err := os.ReadFile("testdata/kernel-files.txt")
	if err != nil {
		if known, err = os.ReadFile(ground.Dir + "/script/kernel-files.txt"); err != nil {
			t.Fatal(err)
		}
	} else if _, err := ground.Add("testdata/kernel-files.txt", "script", 0o644); err != nil {
		t.Fatal(err)
	}
	asUser(t, func(t *testing.T, sh *shell) {
		out := sh.in(`find /proc /sys -maxdepth 4 -type f -readable 2>/dev/null; find /sys -maxdepth 2`)
		var patterns []string
		for line := range strings.Lines(string(known)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				patterns = append(patterns, line)
			}
		}
		allowed := regexp.MustCompile(`^(` + strings.Join(patterns, "|") + `)$`)
		var unknown []string
		for path := range strings.Lines(out) {
			path = strings.TrimSpace(path)
			if !allowed.MatchString(path) {
				unknown = append(unknown, path)
			}
		}
		slices.Sort(unknown)
		if len(unknown) > 0 {
			t.Errorf("readable, but not in testdata/kernel-files.txt:\n%s", strings.Join(unknown, "\n"))
		}
	})
}
