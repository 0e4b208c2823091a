package plan

import "errors"

var (
	// ErrNotFound means that no stored image has the name or ID asked for.
	ErrNotFound = errors.New("no such image")
	// ErrAmbiguous means that a short name or an ID prefix fits several images.
	ErrAmbiguous = errors.New("more than one image fits")
	// ErrName means that the text is no valid image reference.
	ErrName = errors.New("invalid image reference")
	// ErrNewer means that a newer Burrow wrote the plan.
	ErrNewer = errors.New("image plan was written by a newer version of burrow")
	// ErrDamaged means that the plan is there but cannot be used. It can be
	// made again from the stored image.
	ErrDamaged = errors.New("image plan is damaged")
)

// RepairCommand makes the plans and names again from the stored images.
const RepairCommand = "burrow image repair"
