// Package chunked puts a layer together again from what is here already and
// from parts of its blob, for blobs in the format zstd:chunked.
//
// In such a blob every file, and of a large file every chunk, is a zstd frame
// of its own; at its end, in frames that decoders skip, stand a table of
// contents, which says where each file is and what digest it has, and the tar's
// headers and padding as tar-split. The annotations of the layer say where those
// two are, and the digest of the table.
//
//	table ──► files of stored layers ─┐
//	tar-split ────────────────────────┼─► a zstd stream of the layer's tar
//	ranges of the blob ───────────────┘
//
// What comes out is a zstd stream, not a tar: frames of the blob go into it as
// they are, everything else in frames that hold it uncompressed. So nothing of
// the blob but the two tables is decompressed here, and whoever unpacks layers
// unpacks this one as every other.
//
// It believes nothing and verifies nothing but the form: that the stream is the
// layer is known when its tar has the digest that the image's configuration says. A table
// that lies, or a file that has changed, makes another tar or none.
//
// The format: docs/ of github.com/containers/storage, pkg/chunked.
package chunked
