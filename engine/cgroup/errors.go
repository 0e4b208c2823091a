package cgroup

import "errors"

// What this package reports; the command line maps them to advice.
var (
	// ErrLimit means that a limit cannot be honoured here. It is never ignored.
	ErrLimit = errors.New("limit cannot be honoured")
	// ErrParent means that no cgroup can be made below --cgroup-parent.
	ErrParent = errors.New("no cgroup can be made there")
	// ErrNoManager means that the user's service manager does not answer.
	ErrNoManager = errors.New("the user's service manager cannot be reached")
)
