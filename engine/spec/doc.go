// Package spec is everything that a container needs and that can be decided
// before its image is known: the command line, turned into one value.
//
//	argv, caller's environment, working directory
//	└─ cmd/burrow/flags   knows flag names        --volume ./src:/src:ro
//	   └─ engine/spec     knows what values mean  Mount{Bind, /home/ann/src, /src, ro}
//	      └─ engine       adds the image, acts
//
// The package is pure: it reads no file, no environment and no clock, and
// starts nothing. Relative paths and bare KEY variables are resolved with
// values that the caller hands in. The Parse functions take one value as
// Podman's and Docker's command lines spell it and name the part they refuse;
// [Spec.Validate] finds what is only wrong in combination.
//
// What it does not protect against: it sees text, not the file system. A source
// that does not exist or is a symbolic link, and a destination that leads
// elsewhere through a link in the image, are for the engine to refuse. Values
// that other packages own are carried as the user typed them after a check for
// control characters: ID maps (idmap), everything of the network (slirp), security
// options, capabilities, sysctls and ulimits (security).
//
// It needs nothing of the kernel.
package spec
