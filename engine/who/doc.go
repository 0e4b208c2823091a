// Package who says whom an ID or a process belongs to.
//
//	PID ── /proc/PID/ns/user ── NS_GET_PARENT … ── the user whose namespace it is
//	    ── the same namespace as a container's init ── the container
//	    ── /proc/PID/uid_map ── the user inside
//	host UID ── /etc/subuid ── the user
//	         ── the anchor's map, the slice ledger, the records ── the container
//
// Nothing of it needs a supervisor, a daemon or an audit log: what is asked is
// the kernel and files. Questions are to be asked from outside the anchor; from
// inside it the kernel does not show who owns it.
//
// It does not protect anything. An answer about a process is of the moment,
// like its pid. Containers of other users are known by their user only, since
// their ledger is not ours to read. An ID that no namespace claims and that two
// lines of /etc/subuid give away has two owners: the first is named.
//
// Kernel: NS_GET_PARENT (4.9), NS_GET_OWNER_UID (4.11).
package who
