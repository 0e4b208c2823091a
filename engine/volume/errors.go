package volume

import "errors"

var (
	// ErrNotFound means that there is no such volume.
	ErrNotFound = errors.New("no such volume")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("volume already exists")
	// ErrInUse means that a container uses the volume.
	ErrInUse = errors.New("volume is in use")
	// ErrDamaged means that the record of a volume cannot be read. Its files are
	// still there.
	ErrDamaged = errors.New("record of the volume is damaged")
	// ErrOption means that a driver option cannot be carried out.
	ErrOption = errors.New("volume option")
)
