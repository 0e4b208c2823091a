// Package idmap decides which user and group IDs a container gets.
//
//	host IDs                 anchor IDs               container IDs
//	the invoking UID    ↔    0                   ↔    0, in mode unique
//	1st line of subuid  ↔    1 … 65536           ↔    a slice: see Ledger
//	2nd line of subuid  ↔    65537 …
//
// Three steps, each usable alone:
//
//   - Table, SubIDs, Anchor: what /etc/subuid and /etc/subgid give to a user,
//     and the map of the anchor namespace made of it.
//   - Ledger, Slice: which of the anchor's IDs a container holds, on disk.
//   - Mode, Maps: the container's uid_map and gid_map, whose outer side are
//     anchor IDs, because that is the namespace they are written from.
//
// Wherever a container gets a slice, container ID c inside its block is anchor
// ID Slice.Block.Start + c, in every mode; only the ID that stands for the
// invoking user (0 in unique, the chosen one in keep-id) differs. So data
// written in one mode has the right owner in another.
//
// The package starts no process, enters no namespace and checks no permission:
// the kernel and newuidmap do. It does not protect against another user whose
// sub-IDs overlap ours unless CheckOverlap is called, nor against a process of
// the same user that edits the ledger: that user owns all those IDs anyway.
//
// Kernel: uid_map with 340 extents (4.15), open file description locks (3.15).
package idmap
