// Package ctrlog writes what a container prints and reads it again.
//
//	supervisor ── Writer ──► FILE, FILE.1, …           k8s-file or json-file
//	burrow logs ◄── Read ── the same files
//	supervisor ── JournalWriter ──► journald's socket  journald
//	burrow logs ◄── ReadJournal ◄── journalctl
//
// What is printed is stored at once, each piece with one write(2). A line that
// arrives in pieces, or is longer than 16 KiB, is stored in parts that say so and
// are joined again by the reader. Files are rotated by size: the oldest is dropped, no line is lost
// or doubled for a reader that follows.
//
// Writing waits for whoever takes it: a disk or a journal that is behind holds up
// the container and loses nothing. journald has limits of its own: what it drops
// by RateLimitBurst= it says in the journal.
//
// It does not interpret the bytes: terminal escapes are the reader's business.
// The writer does not sync: a log is worth as much as the container's other
// ephemeral state.
package ctrlog
