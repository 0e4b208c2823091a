// Package flags is the command line of `burrow run`: it defines the flags and
// turns what was typed into a [spec.Spec].
//
//	Add(flagset)         defines every flag that podman-run(1) and docker-run(1)
//	└─ Run               know: carried out, or refused with the reason
//	   └─ Spec(args, …)  reads --env-file and --label-file, parses, validates
//
// A flag is never accepted and then ignored. One that this version does not
// carry out is still known (hidden from the help) and fails with one line; the
// values of it that ask for what happens anyway are accepted.
//
// Flags follow Podman where Podman and Docker differ. On purpose different:
// --http-proxy is off, since proxy variables often hold a password and nothing
// of the caller's environment is handed in unasked.
//
// What it does not protect against: it opens the files that the caller names
// and believes them to be the caller's. It needs nothing of the kernel.
package flags
