package who

import "errors"

// ErrNoProcess says that no process has the pid that was asked for.
var ErrNoProcess = errors.New("no such process")
