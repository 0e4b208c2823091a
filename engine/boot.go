package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// MarkUntilBoot notes of a container that was stopped that this was the end of a
// session, which is no wish of the user's that it stay down: with
// --restart=unless-stopped it comes back.
func MarkUntilBoot(r Record) error {
	err := os.WriteFile(r.untilBootMark(), []byte(r.incarnation()), 0o600)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOSPC) { // removed: --rm
		return nil
	}
	return err
}

// untilBootMark names the process that was stopped for no more than this session.
// A later one that its user has stopped is not meant.
func (r Record) untilBootMark() string { return filepath.Join(r.dir, "until-boot") }

// incarnation tells one start of the container from another.
func (r Record) incarnation() string { return fmt.Sprintf("%d %d %s", r.PID, r.Start, r.BootID) }

// StartsAtBoot says whether the container comes back after a boot, as Docker has
// it: always does so even where it was stopped, unless-stopped if it was not, and
// on-failure does not. It reads Spec, which a list lacks.
func (r Record) StartsAtBoot() bool {
	switch r.Spec.Restart.Policy {
	case spec.RestartAlways:
		return true
	case spec.RestartUnlessStopped:
		mark, err := os.ReadFile(r.untilBootMark())
		return !r.stopped() || err == nil && string(mark) == r.incarnation()
	case spec.RestartNo, spec.RestartOnFailure:
	}
	return false
}

// afterBoot is what has become of a container that ran when the machine went
// down: nobody was left to write it.
func (r Record) afterBoot() Record {
	boot, err := bootID()
	if err != nil || r.Exited || r.PID == 0 || r.BootID == boot {
		return r
	}
	r.Exited, r.ExitCode = true, exitUnknown
	r.Error = "the machine went down: exit status unknown"
	return r
}

// policyTest and bootTest are filters over what a list leaves out.
func policyTest(d paths.Dirs, value string) (func(Record) bool, error) {
	policy, err := spec.ParseRestart(value)
	if err != nil || strings.Contains(value, ":") {
		return nil, fmt.Errorf("%q is not one of no, on-failure, always, unless-stopped", value)
	}
	return func(r Record) bool {
		rec, err := Lookup(d, r.ID)
		return err == nil && rec.Spec.Restart.Policy == policy.Policy
	}, nil
}

func bootTest(d paths.Dirs, value string) (func(Record) bool, error) {
	if value != "true" && value != "false" {
		return nil, fmt.Errorf("%q is neither true nor false", value)
	}
	return func(r Record) bool {
		rec, err := Lookup(d, r.ID)
		return err == nil && rec.StartsAtBoot() == (value == "true")
	}, nil
}
