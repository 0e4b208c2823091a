package slirp

import (
	"math"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"
)

// What a client of a published port costs, in descriptors: of TCP two sockets, and a
// pipe for each direction as long as splice(2) uses it; of UDP one socket.
const (
	tcpFDs = 6
	udpFDs = 1
)

const (
	// reserved are the descriptors that clients of published ports never get, for the
	// rest of the process: the container's streams and log, whoever is attached,
	// health checks.
	reserved = 256
	// mostFDs bounds what all clients of one container's ports cost together, however
	// many the process may open: each also costs the memory of this process, which no limit of
	// the container counts. 8192 connections.
	mostFDs = 8192 * tcpFDs
)

// budget is what the clients of one container's published ports may cost together, those
// of UDP apart: who floods one protocol leaves the other alone.
type budget struct{ tcp, udp *semaphore.Weighted }

// newBudget takes the limit of this process, and leaves some to others: besides the
// reserved ones two for each port, its listener and a client that waits to be taken.
func newBudget(ports int) budget {
	limit := unix.Rlimit{Cur: math.MaxInt32}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) // it cannot fail
	return budgetOf(limit.Cur, ports)
}

func budgetOf(limit uint64, ports int) budget {
	n := int64(min(limit, math.MaxInt32)) - reserved - 2*int64(ports)
	udp := max(n/8, udpFDs) // one client always
	return budget{semaphore.NewWeighted(min(max(n-udp, tcpFDs), mostFDs)), semaphore.NewWeighted(udp)}
}
