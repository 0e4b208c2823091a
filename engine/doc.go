// Package engine runs containers. Its one verb so far is Run: a container in
// the foreground, the child of the calling process.
//
//	spec.Spec (command line)                     plan.Plan (image)
//	     └──────────────┬───────────────────────────┘
//	  ids.go        take a slice, compute the maps
//	  shift.go      re-own the image's files into the slice, once
//	  scaffold.go   a tmpfs that dies with this run; overlay.go, hostimage.go: the root in it
//	  files.go identity.go mounts.go   what the container sees
//	  network.go    network namespace and helper, started early, waited for late
//	  launch/       libcontainer, the gate, the payload
//	  attach.go signals.go   until it ends
//	  record.go     what others may know of it
//	  supervise.go settle.go resume.go   the same in the background: once it runs, by the program executed anew
//
// Here the siblings meet: userns, slirp and security do not know each other.
// Engine prints nothing, reads no environment and exits nowhere; the command
// line does. It must run inside the anchor, in a mount namespace of its own
// (package userns), on the main thread.
//
// It does not protect against the user who runs it: everything here happens
// with the user's own rights.
package engine
