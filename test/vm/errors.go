package vm

import "errors"

var (
	// ErrNoMachine says that this host cannot build or boot the machine.
	ErrNoMachine = errors.New("no virtual machine")
	// ErrDied says that QEMU ended while somebody still wanted the machine.
	ErrDied = errors.New("the virtual machine ended")
)
