package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestScript runs testdata/script, each script named after the promise that it
// shows. A script sees a host as a user does, and two things more: commands of
// our own (commands_test.go), and BURROW_NETWORK=none unless it says otherwise,
// because most promises are not about the network.
func TestScript(t *testing.T) {
	if _, child := testbed.Child(); child {
		testscript.Run(t, params(filepath.Join(ground.Scripts, os.Getenv("BURROW_TEST_SCRIPT"))))
		return
	}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	buildProbe(t)
	if !testbed.Root() {
		testscript.Run(t, params(files...))
		return
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runAsUser(t, file, testbed.Host{})
		})
	}
}

// runAsUser runs one script as a user of the pool.
func runAsUser(t *testing.T, file string, host testbed.Host) {
	t.Helper()
	if _, err := ground.Add(file, "script", 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := testbed.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Give()
	// Before the host gets worse.
	if _, err := u.Store(t.Context(), ground.Bin, testbed.Images...); err != nil {
		t.Fatal(err)
	}
	ground.Run(t, u, host, "^TestScript$", "BURROW_TEST_SCRIPT="+filepath.Base(file))
}

func params(files ...string) testscript.Params {
	return testscript.Params{
		Files:               files,
		Setup:               setup,
		Cmds:                commands(),
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}

// condition makes every skip say why: a script that lacks something ends with
// what a condition's probe says.
func condition(cond string) (bool, error) {
	known, err := testbed.Lacking(cond)
	if !known {
		return false, os.ErrInvalid
	}
	return err == nil, nil
}
