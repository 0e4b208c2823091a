// Package security says what a container may do: policy as data, compiled,
// then applied by the container's own first process.
//
//	Options (flags) + Host (what this kernel has)
//	   └─ Compile          pure but for user-supplied profile files
//	        └─ Policy      immutable value
//	             ├─ capabilities, no_new_privs, masks, rlimits, AppArmor   applied by libcontainer's init
//	             ├─ Seccomp.Program, Landlock, SELinux.ProcessLabel        loaded by the gate, last thing before execve
//	             └─ Report                                                 shown by inspect, every relaxation named
//
// One file per layer: caps.go, seccomp*.go, landlock.go, selinux*.go,
// apparmor.go, masks.go, ulimit.go, sysctl.go. Nothing here changes the calling
// process.
//
// It does not protect against: a bug in the kernel behind a system call that
// the filter lets through; anything the user mounts or passes in by flag; a
// user who rewrites his own cache or profile files; resource use (cgroups do
// that); reaching the network (package slirp does that).
//
// Kernel needs: seccomp filters (3.17); Landlock from ABI 2 (5.19), scopes
// from ABI 6 (6.12). SELinux and AppArmor are used where the kernel has them.
// A layer the kernel lacks is reported as "none"; a layer it has and that
// cannot be applied is an error.
package security
