package flags

import (
	"errors"

	"github.com/burrow-run/burrow/engine/spec"
)

// ErrNoImage says that the command line names no image.
var ErrNoImage = errors.New("no image given")

// ErrUnsupported marks flags and values that this version does not carry out.
var ErrUnsupported = spec.ErrUnsupported
