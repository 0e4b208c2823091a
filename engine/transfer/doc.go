// Package transfer moves files between trees of which a container controls at
// least one, and between trees and tar streams.
//
//	directory ─ Walker ─┐            ┌─ Writer ─► directory
//	                    ├─ Entry ... ┤
//	tar ─────── ReadTar ┘            └─ TarSink ► tar
//
// A container may run and change its tree meanwhile. So a directory is held
// open, and what is in it is opened by one name at a time and never through a
// symbolic link: whatever is renamed or replaced in between, the files that are
// read and written lie in the tree that was opened. Only the path that somebody
// typed is resolved with links, in the root that it belongs to (Root.Find).
//
// Entries carry the container's IDs; the Walker and the Writer of a container's
// tree translate. What is read is bounded by the size the file had when it was
// opened, and depth and names are bounded too. A tar stream of strangers is
// parsed by the standard library alone; nothing is executed to decompress it.
//
// It makes no device nodes and no sockets, and sets no extended attributes. It
// does not freeze what it reads: a file that is written to meanwhile arrives as
// a mixture.
//
// Kernel: 5.6 for openat2.
package transfer
