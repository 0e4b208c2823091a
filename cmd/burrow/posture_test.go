package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// probe runs testdata/probe/probe.c in a default container and returns its answers.
func (sh *shell) probe(question string, flags ...string) map[string]string {
	sh.t.Helper()
	args := append([]string{"burrow", "run", "--rm", "-v", probePath() + ":/probe:ro"}, flags...)
	out := sh.run(append(args, "busybox", "/probe", question)...)
	answers := map[string]string{}
	for line := range strings.Lines(out) {
		name, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
		answers[name] = answer
	}
	if len(answers) == 0 {
		sh.t.Fatalf("probe %s says nothing", question)
	}
	return answers
}

func probePath() string { return filepath.Join(ground.Dir, "probe") }

// buildProbe compiles the probe once, in the parent of all children.
func buildProbe(t *testing.T) {
	t.Helper()
	build(t, "probe")
}

// build compiles testdata/probe/NAME.c, unless that has been done.
func build(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(ground.Dir, name)); err == nil {
		return
	}
	if _, err := ground.Probe(t.Context(), "testdata/probe/"+name+".c"); err != nil {
		t.Fatal(err)
	}
}

// expect compares answers with what all must be but for exceptions.
func expect(t *testing.T, got map[string]string, all string, except map[string]string) {
	t.Helper()
	for name, answer := range got {
		want := all
		if e, ok := except[name]; ok {
			want = e
		}
		if !slices.Contains(strings.Split(want, "|"), answer) {
			t.Errorf("%s: %s, want %s", name, answer, want)
		}
	}
	for name := range except {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: was not asked", name)
		}
	}
}

// differs is the control of expect: a container without the layer must answer
// otherwise, or the question shows nothing about it.
func differs(t *testing.T, with, without map[string]string, atLeast int) {
	t.Helper()
	n := 0
	for name, answer := range with {
		if without[name] != answer {
			n++
		}
	}
	if n < atLeast {
		t.Errorf("only %d of %d answers are due to the layer, want %d", n, len(with), atLeast)
	}
}

// status returns fields of /proc/PID/status.
func status(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		out[k] = strings.TrimSpace(v)
	}
	return out
}
