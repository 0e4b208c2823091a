// Package launch starts one container with runc's libcontainer and says how it
// ended. It is the only home of libcontainer.
//
//	burrow run (in the anchor, own mount namespace)   launch.Start
//	└─ init, libcontainer stages 0→1→2                 namespaces, maps, mounts, pivot_root, credentials
//	   └─ the same process becomes the gate            userns/nsjoin/gate.c: label, Landlock, seccomp
//	      └─ the same process becomes the payload      execve
//
// The gate says over a pipe that it was reached, and what goes wrong in it as
// {step, errno}; the pipe's end then means that the payload runs. So exit codes
// 126 and 127 come from errno, not from message text.
//
// It decides nothing about confinement: it applies what package security
// compiled. It does not protect against a hostile kernel or a hostile anchor.
package launch
