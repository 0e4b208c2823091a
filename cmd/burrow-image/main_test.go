package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// ground is where this run's executables and scripts are.
var ground *testbed.Ground

// The scripts run the real executables, as an unprivileged user, through the
// anchor; the rest of the tests here are of formats only.
func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (int, error) {
	g, child := testbed.Child()
	if !child {
		made, err := testbed.NewGround(context.Background())
		if err != nil {
			return 1, err
		}
		defer made.Remove() //nolint:errcheck // a directory of /var/tmp
		g = made
	}
	ground = g
	return m.Run(), nil
}

func TestExecutablesAreOfTheseSources(t *testing.T) {
	if err := testbed.Fresh(); err != nil {
		t.Fatal(err)
	}
}
