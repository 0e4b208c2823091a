package security

import "errors"

// Errors that callers tell apart.
var (
	// ErrOption is wrapped by every error that a flag's value causes.
	ErrOption = errors.New("invalid security option")
	// ErrProfile says that a seccomp profile cannot be trusted or understood.
	ErrProfile = errors.New("unusable seccomp profile")
	// ErrLabel says that SELinux is enforcing and the label cannot be applied.
	ErrLabel = errors.New("SELinux label cannot be applied")
	// ErrAppArmor says that the AppArmor profile asked for cannot be applied.
	ErrAppArmor = errors.New("AppArmor profile cannot be applied")
	// ErrForbidden says that a relaxation is ruled out by configuration.
	ErrForbidden = errors.New("relaxation is forbidden")
)
