package slirp

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// idExtent is a line of gid_map.
type idExtent struct{ inside, outside, size uint64 }

// allowPing lets every group of this user namespace open ICMP sockets. The
// kernel wants both ends of the range mapped (EINVAL for Docker's 0-2147483647)
// and compares kernel IDs, so the widest range is found in the map.
func allowPing() error {
	f, err := os.Open("/proc/thread-self/gid_map")
	if err != nil {
		return err
	}
	defer f.Close()
	low, high, ok := pingRange(readExtents(f))
	if !ok {
		return nil // nobody to allow it to
	}
	return writeSysctl("net/ipv4/ping_group_range", fmt.Sprintf("%d %d", low, high))
}

func readExtents(r io.Reader) []idExtent {
	var all []idExtent
	for s := bufio.NewScanner(r); s.Scan(); {
		var e idExtent
		if n, _ := fmt.Sscan(s.Text(), &e.inside, &e.outside, &e.size); n == 3 && e.size > 0 {
			all = append(all, e)
		}
	}
	return all
}

// pingRange picks two mapped IDs, low ≤ high inside and outside, that enclose
// as many IDs as possible. 4294967295 is no ID.
func pingRange(m []idExtent) (low, high uint64, ok bool) {
	const none = 1<<32 - 1
	var best uint64
	for _, a := range m {
		for _, b := range m {
			last := b.size - 1
			if b.inside+last >= none {
				last = none - 1 - b.inside
			}
			if a.inside > b.inside+last || a.outside > b.outside+last {
				continue
			}
			if width := b.outside + last - a.outside + 1; width > best {
				best, low, high, ok = width, a.inside, b.inside+last, true
			}
		}
	}
	return low, high, ok
}
