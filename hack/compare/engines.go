package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ground is what the engines work with.
type ground struct{ burrow, probe, rootfs, image string }

// engine is one that is asked, with its defaults.
type engine struct {
	name    string
	how     string   // the command line, as the table shows it
	version []string // prints it first
	command func(dir, script string) ([]string, error)
	absent  string // why it cannot be asked at all
}

func engines(g ground) []engine {
	shell := func(script string) []string { return []string{"sh", "-c", script} }
	simple := func(words ...string) func(string, string) ([]string, error) {
		return func(_, script string) ([]string, error) { return append(words, shell(script)...), nil }
	}
	return []engine{
		{
			name: "Burrow", how: "burrow run", version: []string{g.burrow, "version"},
			command: simple(g.burrow, "run", "--rm", "--preserve-fd=3", "-v", g.probe+":/probe:ro", g.image),
		},
		{
			name: "Burrow, auto", how: "burrow run --userns=auto", version: []string{g.burrow, "version"},
			command: simple(g.burrow, "run", "--rm", "--userns=auto", "--preserve-fd=3", "-v", g.probe+":/probe:ro", g.image),
		},
		{
			name: "Podman", how: "podman run", version: []string{"podman", "--version"},
			command: simple("podman", "run", "--rm", "--preserve-fds=1", "-v", g.probe+":/probe:ro", g.image),
		},
		{
			name: "Docker rootless", how: "docker run", version: []string{"docker", "--version"},
			command: simple("docker", "run", "--rm", "-v", g.probe+":/probe:ro", g.image),
		},
		{
			name: "runc", how: "runc run, with runc spec --rootless", version: []string{"runc", "--version"},
			command: func(dir, script string) ([]string, error) {
				if err := bundle(dir, g.rootfs, shell(script)); err != nil {
					return nil, err
				}
				return []string{"runc", "--root", dir + "/state", "run", "--preserve-fds", "1", "--bundle", dir, filepath.Base(dir)}, nil
			},
		},
		{
			name: "bubblewrap", how: "bwrap --unshare-all --ro-bind ROOT / --dev /dev --proc /proc", version: []string{"bwrap", "--version"},
			command: simple("bwrap", "--unshare-all", "--ro-bind", g.rootfs, "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
		},
		{
			name: "gVisor", how: "runsc --rootless --network=none do", version: []string{"runsc", "--version"},
			command: simple("runsc", "--rootless", "--ignore-cgroups", "--network=none", "do", "-root", g.rootfs),
		},
		{name: "Apptainer", absent: "Debian 12 does not have it"},
	}
}

// bundle makes what `runc spec --rootless` makes, for another command.
func bundle(dir, rootfs string, args []string) error {
	cmd := exec.Command("runc", "spec", "--rootless") //nolint:noctx // it writes one file
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("runc spec: %w: %s", err, out)
	}
	return rewrite(filepath.Join(dir, "config.json"), rootfs, args)
}

// column is what one engine has answered.
type column struct {
	engine
	versionLine string
	facts       map[string]string            // NAME ANSWER
	answers     map[string]map[string]string // of the probe, by question
	outside     []process                    // two containers' shells, as the host sees them
	why         string                       // not measured
}

func (c *column) measure(ctx context.Context) {
	if c.absent != "" {
		c.why = c.absent
		return
	}
	out, err := exec.CommandContext(ctx, c.version[0], c.version[1:]...).Output() //nolint:gosec // one of ours above
	if err != nil {
		c.why = "not installed"
		return
	}
	c.versionLine, _, _ = strings.Cut(string(out), "\n")
	text, err := c.run(ctx, questions)
	if err != nil {
		c.why = err.Error()
		return
	}
	c.read(text)
	if c.facts["kernel"] == "" {
		c.why = "the questions were not answered"
		return
	}
	if c.outside, err = c.twoAtOnce(ctx); err != nil {
		c.why = err.Error()
	}
}

// run gives the container a directory of the host as descriptor 3, one more as 7,
// and a variable that is none of its business.
func (c *column) run(ctx context.Context, script string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	args, err := c.command(dir, script)
	if err != nil {
		return "", err
	}
	sh := append([]string{"-c", `exec 3</ 7</; exec "$@"`, "sh"}, args...)
	cmd := exec.CommandContext(ctx, "sh", sh...)
	cmd.Env = append(os.Environ(), "BURROW_COMPARE_CANARY=inherited")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(out) == 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		return "", fmt.Errorf("%w: %.200s", err, line)
	}
	if err != nil && len(out) == 0 {
		return "", err
	}
	return string(out), nil
}

func (c *column) read(text string) {
	c.facts, c.answers = map[string]string{}, map[string]map[string]string{}
	in := c.facts
	for line := range strings.Lines(text) {
		name, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "==" {
			in = map[string]string{}
			c.answers[answer] = in
			continue
		}
		in[name] = strings.TrimSpace(answer)
	}
}
