// Package posture says what the kernel says of a process: who it is, what it may
// do, which namespaces it is in and whose they are, what it has open, what it sees.
//
//	Observer.Look ── /proc/PID/{status,ns,fd,limits,…} ──┐
//	Observer.Files ─ /proc/PID/{mountinfo,root/dev} ─────┴─ Facts ─┐
//	what was asked for (engine) ────────────────────────── Facts ─┴─ Compare ── Report
//
// Facts are words that are the same on every run: "user" and "slice 1000" for IDs,
// "anchor" and "container" for namespaces. It is one collector for the posture
// tests, which have every fact written down beforehand, and for the user, who
// has it compared with the flags that were given.
//
// It changes nothing and believes nothing that the process says of itself. What it
// cannot see: a Landlock domain, of which the kernel tells nobody but by refusing;
// what a seccomp program does (only how many there are); and, of a process that runs,
// more than one moment. A directory of the container is opened inside its root.
//
// It may look from the host or from within the anchor. From there the host's user
// namespace is out of sight; what is above the anchor is called the host's.
package posture
