// Package ctrlog writes what a container prints and reads it again.
//
//	supervisor ── Writer ──► FILE, FILE.1, …      k8s-file or json-file
//	burrow logs ◄── Reader ── the same files
//
// A line is written with one write(2), so a reader never sees half of one; a
// line longer than 16 KiB is cut into parts that say so and are joined again by
// the reader. Files are rotated by size: the oldest is dropped, no line is lost
// or doubled for a reader that follows.
//
// It does not interpret the bytes: terminal escapes are the reader's business.
// The writer does not sync: a log is worth as much as the container's other
// ephemeral state.
package ctrlog
