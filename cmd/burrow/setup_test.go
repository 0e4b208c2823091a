package main_test

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/burrow-run/burrow/internal/testbed"
)

// setup gives a script directories of its own, but the images of its user.
func setup(env *testscript.Env) error {
	u, err := testbed.Self()
	if err != nil {
		return err
	}
	vars, runtime, err := userEnv(u, env.WorkDir)
	if err != nil {
		return err
	}
	env.Vars = append(append(env.Vars, vars...), "nl=\n", "REALHOME="+u.Home, "PROBE="+probePath())
	before, err := testbed.Mounts()
	if err != nil {
		return err
	}
	env.Values[envKey{}] = env
	env.Defer(func() { leave(env, runtime, before) })
	return nil
}

// leave ends what the script has started and fails it for what it left behind.
// Containers without --rm stay by design: those the script must remove itself.
func leave(env *testscript.Env, runtime string, before []string) {
	state, data := env.Getenv("XDG_STATE_HOME"), env.Getenv("XDG_DATA_HOME")
	left, err := testbed.Left(state, runtime)
	if err != nil {
		env.T().Log("census: ", err)
	}
	burrow := func(args ...string) {
		cmd := exec.Command(filepath.Join(ground.Bin, "burrow"), args...)
		cmd.Env = append(env.Vars, "XDG_RUNTIME_DIR="+runtime)
		if out, err := cmd.CombinedOutput(); err != nil {
			env.T().Log("burrow ", args, ": ", err, string(out))
		}
	}
	if testbed.Anchor(runtime) != 0 {
		burrow("rm", "-f", "-a")
		burrow("unshare", "sh", "-c", `rm -rf "$1"/burrow/shift "$1"/burrow/containers "$2"/burrow/volumes`, "sh", state, data)
		burrow("system", "migrate")
	}
	if err := os.RemoveAll(runtime); err != nil {
		left = append(left, err.Error())
	}
	if after, err := testbed.Mounts(); err != nil || len(after) > len(before) {
		env.T().Log("mounts: ", before, after, err)
		env.T().FailNow()
	}
	if len(left) > 0 {
		for _, l := range left {
			env.T().Log("left behind: ", l)
		}
		env.T().FailNow()
	}
}
