package artifact

import "errors"

var (
	// ErrNotFound means that no stored artifact fits the name or digest.
	ErrNotFound = errors.New("no such artifact")
	// ErrInvalid means that an artifact's manifest cannot be used.
	ErrInvalid = errors.New("invalid artifact")
)
