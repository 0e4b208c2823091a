package main

import "golang.org/x/sys/unix"

// usualUmask makes what containers are built of readable for all who are in them,
// as its modes say. The caller's umask is about the caller's own files: with 077, as
// on many shared hosts, nobody but root in the container could read /etc/hosts, or
// search a directory that was made for a mount. It is for good, so only for processes
// that do nothing else; the payload has --umask.
func usualUmask() { unix.Umask(0o022) }
