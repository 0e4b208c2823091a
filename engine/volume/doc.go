// Package volume keeps what outlives containers: directories, each with a
// record that says whose IDs own the files in it.
//
//	volumes/NAME/volume.json   the record, replaced by rename
//	             _data/        what containers see
//	             use           locked, shared, by every run that has it mounted
//
// A volume remembers the maps of the container that wrote it, container ID to
// anchor ID, and the slice these IDs are of. Whoever mounts it runs in that slice;
// if that is impossible, the files are re-owned while nobody uses them. So data
// keeps its owners however often a container is made anew.
//
// The directory itself is locked, exclusively and shortly, by whoever changes
// the record (flock(2)): readers need no lock. The container can reach _data
// alone, so none of the locks is in its hands.
//
// Named volumes are written durably. The package does not know the ledger of
// slices, nor who runs: package engine brings the three together. It does not
// protect a volume from other processes of the same user.
package volume
