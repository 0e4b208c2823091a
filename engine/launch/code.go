package launch

import (
	"errors"
	"fmt"
	"syscall"
)

// WorkdirError says that the payload cannot work in the directory it was given.
type WorkdirError struct {
	Dir string
	Err error // the errno
}

func (e *WorkdirError) Error() string { return fmt.Sprintf("working directory %q: %v", e.Dir, e.Err) }

// Unwrap gives the errno.
func (e *WorkdirError) Unwrap() error { return e.Err }

// The exit codes of shells, Docker and Podman for a command that never ran.
const (
	ExitNotRunning = 126 // it is there and cannot be run
	ExitNotFound   = 127 // it, or where it was to work, is not there
)

// PayloadCode is the exit code of a command that never ran, where what was to be run or
// the directory for it is to blame; taken from the errno. It is 0 for all other errors.
func PayloadCode(err error) int {
	var exec *ExecError
	var dir *WorkdirError
	switch {
	case errors.As(err, &exec) && exec.Step == GateExec:
		err = exec.Err
	case errors.As(err, &dir):
		err = dir.Err
	default:
		return 0
	}
	if errors.Is(err, syscall.ENOENT) {
		return ExitNotFound
	}
	return ExitNotRunning
}
