package stage_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/stage"
)

// A process learns its stage once, and nobody that it starts learns it.
func TestCurrent(t *testing.T) {
	if os.Getenv("BURROW_TEST_CHILD") != "" {
		first := stage.Current()
		_, there := os.LookupEnv("BURROW_STAGE")
		_ = os.Setenv("BURROW_STAGE", "changed") //nolint:usetesting // too late, which is the point; this process ends here
		os.Stdout.WriteString(string(first) + "," + string(stage.Current()) + map[bool]string{true: ",leaked"}[there] + ";")
		return
	}
	if got := stage.Current(); got != stage.Command {
		t.Errorf("a test is stage %q", got)
	}
	for env, want := range map[string]stage.Stage{
		"":                                stage.Command,
		stage.Env(stage.Joined, ""):       stage.Joined,
		stage.Env(stage.Joined, "mounts"): stage.Joined,
		stage.Env(stage.Supervisor, ""):   stage.Supervisor,
		"BURROW_STAGE=":                   stage.Command,
		"BURROW_STAGE=nosuch:x":           "nosuch",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCurrent$")
		cmd.Env = append(os.Environ(), "BURROW_TEST_CHILD=1")
		if env != "" {
			cmd.Env = append(cmd.Env, env)
		}
		out, err := cmd.Output()
		got, _, _ := strings.Cut(string(out), ";")
		if err != nil || got != string(want)+","+string(want) {
			t.Errorf("%q: %q %v", env, got, err)
		}
	}
}

func TestEnv(t *testing.T) {
	for want, got := range map[string]string{
		"BURROW_STAGE=joined":        stage.Env(stage.Joined, ""),
		"BURROW_STAGE=joined:mounts": stage.Env(stage.Joined, "mounts"),
		"BURROW_STAGE=supervisor":    stage.Env(stage.Supervisor, ""),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
