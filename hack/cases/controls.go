package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/test/cases"
)

// runControls breaks the code once for each break, in a build of its own: the
// tree stays as it is, go is told to read another file in the place of one.
func runControls(ctx context.Context, only []string) error {
	unseen, ran := 0, 0
	for _, m := range cases.Breaks() {
		if len(only) > 0 && !slices.Contains(only, m.Name) {
			continue
		}
		ran++
		out, err := runControl(ctx, m.Break)
		if err != nil {
			unseen++
			fmt.Printf("ERROR  %s: %s: %v\n", m.Name, m.File, err)
			continue
		}
		if out == "" {
			unseen++
			fmt.Printf("NOT SEEN  %s: without it (%s) %s passes\n", m.Name, m.File, m.Test.Name)
			continue
		}
		fmt.Printf("seen  %s: without it (%s) %s fails: %s\n", m.Name, m.File, m.Test.Name, out)
	}
	fmt.Printf("%d mitigations were taken out, %d of them unseen\n", ran, unseen)
	if unseen > 0 || ran == 0 {
		return fmt.Errorf("%d mitigations can be taken out and no test fails", unseen)
	}
	return nil
}

// runControl returns what the test says against the broken code, "" if it passes.
func runControl(ctx context.Context, b cases.Break) (string, error) {
	dir, err := os.MkdirTemp("/var/tmp", "burrow-control-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user runs what is in it
		return "", err
	}
	overlay, err := broken(dir, b)
	if err != nil {
		return "", err
	}
	// That the broken code compiles is not the question.
	if out, err := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-overlay", overlay, "./"+filepath.Dir(b.File)).CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	cmd, err := goTest(ctx, group{b.Test.Package, b.Test.Place}, pattern(b.Test.Name), "-overlay", overlay)
	if err != nil {
		return "", err
	}
	cmd.Env, cmd.Stderr = os.Environ(), nil
	if strings.HasPrefix(b.Test.Package, "cmd/") { // these tests run executables
		if err := executables(ctx, dir, overlay, b.File); err != nil {
			return "", err
		}
		cmd.Env = append(cmd.Env, "BURROW_TEST_BIN="+dir)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && strings.Contains(string(out), "no tests to run"):
		return "", errors.New("no test ran")
	case err == nil:
		return "", nil
	case !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: "), strings.Contains(string(out), "import images for"):
		return "", fmt.Errorf("%w\n%.2000s", err, out)
	}
	return firstComplaint(string(out)), nil
}

// broken writes the broken file and the overlay that puts it in the place of the
// good one.
func broken(dir string, b cases.Break) (overlay string, err error) {
	text, err := os.ReadFile(b.File)
	if err != nil {
		return "", err
	}
	if strings.Count(string(text), b.Old) != 1 {
		return "", errors.New("what is to be broken is not there")
	}
	from, err := filepath.Abs(b.File)
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, filepath.Base(b.File))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {from: to}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, errors.Join(
		os.WriteFile(to, []byte(strings.Replace(string(text), b.Old, b.New, 1)), 0o644),
		os.WriteFile(overlay, list, 0o644))
}

// executables makes what the tests of cmd run: burrow broken, and the image tool
// too if the break is in its part; else it is the one of bin/, and the images that
// tests have imported with it are still good.
func executables(ctx context.Context, dir, overlay, file string) error {
	names := []string{"burrow"}
	if strings.HasPrefix(file, "engine/image/") {
		names = append(names, "burrow-image")
	} else if out, err := exec.CommandContext(ctx, "cp", "bin/burrow-image", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	for _, name := range names {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-tags", tags+" osusergo netgo",
			"-ldflags", "-s -w -linkmode external -extldflags -static", "-overlay", overlay, "-o", filepath.Join(dir, name), "./cmd/"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// firstComplaint is the first line with which the test fails.
func firstComplaint(out string) string {
	for line := range strings.Lines(out) {
		if s := strings.TrimSpace(line); strings.Contains(s, "_test.go:") || strings.HasPrefix(s, "FAIL: ") {
			return s[:min(len(s), 160)]
		}
	}
	return "it fails"
}
