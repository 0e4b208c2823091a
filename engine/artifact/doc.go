// Package artifact reads what is stored of artifacts: files that came from
// registries, or go there, under a name like an image's. It needs none of the
// libraries that fetch them, so that starting a container does not either.
//
// Artifacts are an OCI layout: index.json says what name means which manifest,
// and a manifest names its files, which are blobs. Manifests come from strangers:
// nothing of one is part of a path before it has been checked. Whether a blob
// still has the content that its name says is not checked here; `burrow system
// check` does that.
package artifact
