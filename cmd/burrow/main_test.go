package main_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/testbed"
)

// ground is where this run's executables and scripts are.
var ground *testbed.Ground

// The tests of this package run the real executables, never functions of
// package main: libcontainer and the anchor start /proc/self/exe again, and a
// test executable would then run the whole suite inside a container.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	// What the caller of the tests has open is no business of theirs, and its
	// number differs from machine to machine.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return 1, err
	}
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
