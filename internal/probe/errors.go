package probe

import "errors"

var (
	// ErrNotSupported is in the error of every feature that is not there.
	ErrNotSupported = errors.New("not supported here")
	// ErrCapsDenied says that a user namespace was made but gives no
	// capabilities, which is how AppArmor restricts them (Ubuntu 23.10 on).
	ErrCapsDenied = errors.New("the user namespace gives no capabilities")
)
