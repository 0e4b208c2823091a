// Package testbed is the ground that end-to-end tests stand on: the real
// executables, an unprivileged user who may run them, and images to run.
//
// Started by root, a test hands each script to a child that runs it as a user
// of its own out of a small pool, so that scripts may run at the same time and
// each can demand that nothing of its user is left. Started by anybody else,
// the caller is that user.
//
//	go test, as root                     picks a user, copies executables and scripts where he can read them
//	└─ sh in a mount namespace           only for hostile hosts: makes the host worse, see Host
//	   └─ the test binary, as the user   runs one script, says what it left behind
//
// It protects nothing and is linked into tests only. The machine needs useradd
// and usermod (root), and what burrow itself needs; whatever is missing is a
// reason that Lacking returns.
package testbed
