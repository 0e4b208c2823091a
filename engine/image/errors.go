package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/engine/artifact"
)

// UsedError says which containers were made from an image. It is an ErrInUse.
type UsedError struct {
	ID string
	By []string // names of containers
}

func (e *UsedError) Error() string {
	return fmt.Sprintf("%v: %.12s is used by %s", ErrInUse, e.ID, strings.Join(e.By, " "))
}

// Is makes it an ErrInUse.
func (e *UsedError) Is(target error) bool { return target == ErrInUse }

var (
	// ErrNotFound means that no stored image fits the name or ID.
	ErrNotFound = errors.New("no such image")
	// ErrInvalid means that the image's manifest or configuration cannot be used.
	ErrInvalid = errors.New("invalid image")
	// ErrInUse means that an image cannot be removed without force.
	ErrInUse = errors.New("image is in use")
	// ErrReadOnly means that an image is in a store that is only read.
	ErrReadOnly = errors.New("image cannot be changed")
	// ErrNotInPlace means that overlay would show an image of an additional store
	// otherwise than the engine whose store it is.
	ErrNotInPlace = errors.New("cannot be used in place")
	// ErrNames means that an image has more names than the one that is to go.
	ErrNames = errors.New("image has several names")
	// ErrNoName means that an image has not the name that is to go.
	ErrNoName = errors.New("tag not known")
	// ErrNoIndex means that it is an image, where a list of images is needed.
	ErrNoIndex = errors.New("it is an image, no list of images")
	// ErrNoArtifact means that no stored artifact fits the name or digest.
	ErrNoArtifact = artifact.ErrNotFound
	// ErrNoArchive means that a file is no archive of images.
	ErrNoArchive = errors.New("no image archive")
	// ErrNotSupported means that Burrow does not do this.
	ErrNotSupported = errors.New("not supported")
)
