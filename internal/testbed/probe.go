package testbed

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Probe compiles the C program at source, NAME.c, for use inside containers of any
// image, and returns where it is on the ground.
func (g *Ground) Probe(ctx context.Context, source string) (string, error) {
	to := filepath.Join(g.Dir, strings.TrimSuffix(filepath.Base(source), ".c"))
	cmd := exec.CommandContext(ctx, "gcc", "-O1", "-static", "-o", to, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", source, err, out)
	}
	return to, nil
}
