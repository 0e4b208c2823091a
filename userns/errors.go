package userns

import "errors"

// What EnsureAnchor reports; the command line maps them to advice.
var (
	// ErrNoNamespaces: this host does not let this user create user namespaces.
	ErrNoNamespaces = errors.New("user namespaces are not available")
	// ErrMapHelper: newuidmap or newgidmap is missing or does not work.
	ErrMapHelper = errors.New("map sub-IDs")
	// ErrNoAnchor: there is no anchor, or it has died.
	ErrNoAnchor = errors.New("no anchor")
	// ErrRunDir: the directory for sockets and pidfiles is not usable.
	ErrRunDir = errors.New("runtime directory")
)
