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
	runScripts(t, "TestScript", "testdata/script/*.txtar", testbed.Host{})
}

// runScripts runs scripts as unprivileged users. test is the caller's name.
func runScripts(t *testing.T, test, pattern string, host testbed.Host) {
	t.Helper()
	if _, child := testbed.Child(); child {
		testscript.Run(t, params(filepath.Join(ground.Scripts, os.Getenv("BURROW_TEST_SCRIPT"))))
		return
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts %s: %v", pattern, err)
	}
	if !testbed.Root() {
		if host.Setup != "" {
			t.Skip("only root can make a host worse")
		}
		testscript.Run(t, params(files...))
		return
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ground.Add(file, "script", 0o644); err != nil {
				t.Fatal(err)
			}
			u, err := testbed.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer u.Give()
			ground.Run(t, u, host, "^"+test+"$", "BURROW_TEST_SCRIPT="+filepath.Base(file))
		})
	}
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
	err, known := testbed.Lacking(cond)
	if !known {
		return false, os.ErrInvalid
	}
	return err == nil, nil
}
