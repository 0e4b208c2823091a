// Package unpack turns one layer, an untrusted and perhaps compressed tar
// stream, into a directory in overlay's format, in a single pass.
//
//	stream ─ decompress ─┬─ sha256 ───────────────────► diff ID
//	                     └─ tar ─┬─ headers, padding ─► tar-split (for save)
//	                             └─ entries ──────────► directory
//
// Every path is opened below the directory with openat2 and RESOLVE_BENEATH,
// so neither "..", nor an absolute name, nor a link planted by an earlier entry
// leads out of it. Whiteouts become what overlay expects: character device 0:0
// and the user.overlay.opaque attribute. Attributes of overlay's own that a
// layer brings along are dropped, devices are skipped, and entries, bytes and
// expansion are limited.
//
// Tar-split is the format in which the storage library keeps what a directory
// cannot say of a tar, so that the same bytes can be made again. Its reader
// opens files by name and follows links; so a name is only recorded for a file
// that stays reachable under it without links. All else is kept in full.
//
// It does not verify a digest, it computes one; and it does not confine itself:
// a bug in a decompressor has the rights of the process that runs this.
//
// It needs openat2 (Linux 5.6) and, for whiteouts in a user namespace, mknod
// of device 0:0 (Linux 5.8).
package unpack
