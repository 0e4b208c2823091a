// Package probe says what this kernel, under this host's policy, lets this
// process do.
//
// A feature is a name and a trial call. The kernel's version is never parsed:
// distributions backport, sandboxes filter, administrators forbid. A trial
// runs at most once per process, and a test can force its answer both ways.
//
// A probe reports; it protects nothing. That a feature is there does not say
// that Burrow has switched it on: package security does that and checks it.
package probe
