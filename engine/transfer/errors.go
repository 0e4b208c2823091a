package transfer

import "errors"

// What this package reports.
var (
	// ErrDirectory means that a directory is in the place of another file.
	ErrDirectory = errors.New("cannot replace a directory with a file")
	// ErrNotDirectory means that another file is in the place of a directory.
	ErrNotDirectory = errors.New("cannot replace a file with a directory")
	// ErrSpecial means that a device or socket was to be copied.
	ErrSpecial = errors.New("neither a regular file, a directory, a link nor a named pipe")
	// ErrArchive means that a tar stream is not what it should be.
	ErrArchive = errors.New("tar archive")
	// ErrInside means that a tree was to be copied into itself.
	ErrInside = errors.New("cannot copy a directory into itself")
	// ErrDepth means that directories are nested too deeply.
	ErrDepth = errors.New("directories are nested too deeply")
	// ErrHoles means that files hold next to nothing of the length they say they have.
	ErrHoles = errors.New("files of a length that they have no content for")
	// ErrUnmapped means that a container has no such ID.
	ErrUnmapped = errors.New("the container has no such ID")
)
