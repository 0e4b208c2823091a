// Package conf reads containers.conf(5), in which the administrator and the user
// set defaults for the flags of `run` and `create`.
//
// The files are those of Podman, in its order: /etc/containers/containers.conf and
// containers.conf.d beside it, then the same two in the user's configuration
// directory; CONTAINERS_CONF names one file in place of all, CONTAINERS_CONF_OVERRIDE
// one that is read last. The one in /usr/share is left out: distributions ship it as
// Podman's own defaults, nobody has chosen what stands there.
//
// A key that is known is honoured, is an error that names it, or is about parts of
// Podman that Burrow does not have (its runtime, its monitor, its database, its
// virtual machine). Nothing that lifts confinement is taken from a file.
package conf
