// Package userns keeps the user's anchor: the long-lived pair of user and mount
// namespace with the user's whole sub-ID range mapped.
//
//	you, uid 1000                       initial namespaces
//	├─ burrow-anchor     nsjoin/anchor.c   sleeps; 0 ↔ 1000, 1..N ↔ your sub-IDs
//	└─ burrow run        nsjoin/enter.c    joined it before Go started
//	   └─ container                        a child namespace; maps written from here
//
// The two setuid programs, newuidmap and newgidmap, run once per anchor, not once per
// container. The anchor is made on demand under a lock (EnsureAnchor), recognised
// by pid and start time, and ended by Stop.
//
// It confines nothing: a process in the anchor is root over all of the user's
// own sub-IDs, and the user could do the same without Burrow. It needs Linux 4.11,
// and a host that lets this user create user namespaces.
package userns
