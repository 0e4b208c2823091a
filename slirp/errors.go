package slirp

import "errors"

// What can keep a container from the network. The command line tells them
// apart with errors.Is; most carry advice (package internal/hint).
var (
	// ErrSyntax is a --network, --publish, --dns or --add-host that makes no sense.
	ErrSyntax = errors.New("invalid value")
	// ErrNoNamedNetworks is a bridge or a network made with "network create".
	ErrNoNamedNetworks = errors.New("named bridge networks are not available")
	// ErrHelperMissing is slirp4netns or pasta not being installed.
	ErrHelperMissing = errors.New("network helper is not installed")
	// ErrTun is /dev/net/tun missing or out of reach.
	ErrTun = errors.New("/dev/net/tun cannot be used")
	// ErrHelperDied is a helper that ended before its container did.
	ErrHelperDied = errors.New("network helper ended")
	// ErrPortInUse is a host port that somebody listens on.
	ErrPortInUse = errors.New("port is in use")
	// ErrPortPrivileged is a host port that the kernel keeps for root.
	ErrPortPrivileged = errors.New("port is privileged")
)
