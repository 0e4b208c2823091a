package idmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// Theory of operation.
//
// The anchor IDs 1 to N are cut into strides of 1,056. A slice is one stride,
// or several neighbours: a block of 1,024 IDs, then 32 spare ones for single
// IDs that lie outside the block (65534, 12345). The spare IDs are part of the
// stride, so two slices never negotiate, and a user who is given more sub-IDs
// keeps every slice where it was. Of 65,536 sub-IDs that makes 62 strides. The
// first is left out: layers hold image ID X as anchor ID X, and the small IDs,
// which most images use, shall belong to no container. 61 remain.
//
//	holds          byte N is locked, shared, by every owner of stride N
//	N              the content of stride N: who holds it, which image it served,
//	               the single IDs; locked for microseconds while it is changed
//	N.kept         stride N belongs to a volume, until that is removed
//	image-HASH     strides that an image has used: a hint
//
// A stride is free if nobody locks its byte, no recorded init process lives and
// it is not kept. Locks and processes end with SIGKILL, so nothing has to be
// cleaned up, and files N are never removed. Only takers of the same stride
// ever meet: a look at a taken one is a single system call. Nothing is synced
// to disk but *.kept, as neither locks nor processes outlive a power failure.

const (
	blockSize = 1024
	spareSize = 32
	stride    = blockSize + spareSize
	// probes bounds the search for a stride that no other image has used.
	probes = 16
)

// Ledger says which of the anchor's IDs are in use. It is safe for concurrent
// use, by goroutines and by processes.
type Ledger struct {
	dir   string
	total uint32
	boot  string
	self  sys.ProcID
}

// LedgerOptions are the optional parts of a Ledger.
type LedgerOptions struct {
	// BootID replaces the kernel's, which says that recorded processes are
	// from before a reboot.
	BootID string
}

// OpenLedger uses dir, which it makes, to share out the anchor IDs 1 to total.
func OpenLedger(dir string, total uint32, o LedgerOptions) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open slice ledger: %w", err)
	}
	if o.BootID == "" {
		id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return nil, fmt.Errorf("open slice ledger: %w", err)
		}
		o.BootID = strings.TrimSpace(string(id))
	}
	self, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("open slice ledger: %w", err)
	}
	return &Ledger{dir: dir, total: total, boot: o.BootID, self: self}, nil
}

// Total is the number of anchor IDs that the ledger shares out.
func (l *Ledger) Total() uint32 { return l.total }

// Capacity is the number of default slices that fit.
func (l *Ledger) Capacity() int { return int(l.strides() - l.first()) }

// strides is one more than the last stride's number.
func (l *Ledger) strides() uint32 {
	if l.total < stride && l.total > 0 {
		return 1 // a small one is better than none
	}
	return l.total / stride
}

// first is the number of the first stride that is given away.
func (l *Ledger) first() uint32 {
	if l.total < 3*stride {
		return 0
	}
	return 1
}

// span is the anchor IDs of count strides from the given one on.
func (l *Ledger) span(number, count uint32) Range {
	if l.total < stride {
		return Range{1, l.total}
	}
	return Range{1 + number*stride, count * stride}
}

// strideOf is the number of the stride that an anchor ID belongs to.
func (l *Ledger) strideOf(anchorID uint32) (uint32, bool) {
	if anchorID == 0 || anchorID > l.total || (anchorID-1)/stride >= l.strides() {
		return 0, false
	}
	return (anchorID - 1) / stride, true
}

func (l *Ledger) path(number uint32) string {
	return filepath.Join(l.dir, strconv.FormatUint(uint64(number), 10))
}

// openHolds opens the file of the holds. Locks belong to what it returns.
func (l *Ledger) openHolds() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(l.dir, "holds"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open slice ledger: %w", err)
	}
	return f, nil
}

// imagePath is where the strides of an image are noted.
func (l *Ledger) imagePath(image string) string {
	return filepath.Join(l.dir, fmt.Sprintf("image-%016x", imageHash(image)))
}

func imageHash(image string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(image)) // a hash.Hash never fails
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// noted lists the strides that an image has used, in the order of first use.
func (l *Ledger) noted(image string) []uint32 {
	text, err := os.ReadFile(l.imagePath(image))
	if err != nil {
		return nil // a hint only
	}
	var out []uint32
	for line := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.ParseUint(line, 10, 32); err == nil {
			out = append(out, uint32(n))
		}
	}
	return out
}

// note remembers that image has used a stride. Losing it costs time only.
func (l *Ledger) note(image string, number uint32) {
	f, err := os.OpenFile(l.imagePath(image), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(strconv.FormatUint(uint64(number), 10) + "\n")
}

// Forget drops what the ledger knows of an image that was removed.
func (l *Ledger) Forget(image string) error {
	err := os.Remove(l.imagePath(image))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
