// Package doctor looks for what stands between this user, on this host, and a
// running container, and names the command that removes it.
//
// Every answer is an observation: a namespace is made, overlay is mounted, a
// device is opened, a bus is connected to. Settings (sysctl, mount options,
// profiles) are read only to explain a trial that failed. The checks run side
// by side and change nothing that outlives them.
//
//	fail   `burrow run IMAGE`, without further flags, does not work
//	warn   it works, but something you may want does not
//	ok     nothing to do
//
// It repairs nothing, and it is no security check: `burrow inspect` says how a
// container is confined.
package doctor
