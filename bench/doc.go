// Command bench measures the budgets of docs/performance.md beside podman,
// crun, runc and bubblewrap, in one run on one machine.
//
// A row has contenders. Each is run a few times unmeasured, then all take turns
// until every one has its number of samples, so that a slow minute of the
// machine hits all alike; the median counts. A contender that fails is shown
// with its error and never as a number.
//
// It expects what bench/run.sh prepares: an unprivileged user, cgroup v2, the
// images in both engines and an unpacked bundle. It measures time, in one row
// memory, and nothing else: what the contenders do for that time differs, see bench/README.md.
package main
