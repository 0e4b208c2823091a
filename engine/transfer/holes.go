package transfer

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A container makes a file of terabytes in one system call, of which the disk holds
// nothing. An image has no holes: who commits it would write and hash all of them. These
// are the bounds that package unpack has for what expands (DefaultLimits), so
// what is refused here could be pulled by nobody.
const (
	freeHoles = 1 << 30 // bytes that need not be there
	maxHoles  = 200     // times what is there, beyond that
)

// holes counts how long files are and how much of that the disk holds.
type holes struct{ length, held int64 }

func (h *holes) add(st *unix.Stat_t) error {
	const block = 512 // of st_blocks, whatever the file system's is (inode(7))
	h.length, h.held = h.length+st.Size, h.held+st.Blocks*block
	if over := h.length - freeHoles; over > 0 && over/maxHoles > h.held {
		return fmt.Errorf("%w: %d bytes, and %d on the disk", ErrHoles, h.length, h.held)
	}
	return nil
}
