// Package image stores images: it pulls, loads, imports, lists, names,
// inspects, pushes, saves, signs and removes them, and writes for each the plan that starting
// a container needs.
//
//	registry, archive, directory            go.podman.io/image: transports,
//	        │ manifest, config, blobs       policy.json, registries.conf, auth
//	        ▼
//	destination.go ── blob ──► package unpack ──► staging directory
//	        │ commit, under one lock
//	        ▼
//	go.podman.io/storage: layers, image record
//	        │ owners of each layer (layers/ID.json)
//	        ▼
//	build.go ── merged view ──► package plan: plans/, refs/
//
//	partial.go ── files of stored layers, and what they lack of a blob ──► package unpack
//	stored.go ── layers made into tars again ──► registry, archive, directory
//	artifact*.go ── files at registries, which are no images
//	index*.go ── lists of images, which say where each is
//	duplicate.go ── places, neither of them the store ──► copies without storing
//	reuse.go  ── blobs that the registry has, and that need not be sent
//
// A layer is unpacked while it arrives, without a spool file; nothing is
// visible before its digests have been checked. The storage library's locks
// are held for the commit only, and `burrow run` never takes them: it reads
// the plan.
//
// It does not decide whether an image is to be trusted: policy.json does, and
// where there is none every image is accepted, as with Podman. It does not
// confine the process that parses what strangers made.
//
// It must run as root of a user namespace with the user's sub-IDs, and needs
// openat2 (Linux 5.6) and whiteouts in user namespaces (Linux 5.8).
package image
