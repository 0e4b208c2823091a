// Package plan is what `run` knows of an image: one file per image, written
// when the image is stored and read when a container starts.
//
//	plans/ID.json   a Plan: configuration, layers in overlay's order, IDs,
//	                and the entries that a shift layer must re-own
//	refs/NAME       one file per image name: the image ID, then the name
//	refs/@/NAME     the same for names that end in a digest
//
// A name is found by opening the file called after it, so the usual lookup
// costs two opens, however many images there are. Files are replaced by
// rename; readers take no lock.
//
// It imports nothing heavy, so that starting a container links neither the
// registry code nor the storage library. It does not verify the image: whoever
// writes a plan has done that. It does not protect against someone who can
// write to the directories: that is the user himself.
//
// It needs nothing special of the kernel.
package plan
