package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// handover takes values, and open files, to the program that this process executes next:
// what is put into one comes out of the other in the same order. It is no format for
// anybody else: both ends are the same executable. (encoding/json would do, and
// leave its tables in memory for as long as the container runs.)
type handover struct {
	reading bool
	text    []byte
	files   []*os.File // that the next program gets
	err     error
}

var errHandover = errors.New("bug: what a start has handed over ends early")

// passNumber is of any kind that fits into 64 bits.
func passNumber[T ~int | ~int64 | ~uint16 | ~uint32 | ~uint64](t *handover, v *T) {
	if !t.reading {
		t.text = binary.AppendVarint(t.text, int64(*v))
		return
	}
	n, size := binary.Varint(t.text)
	if size <= 0 {
		t.fail(errHandover)
		return
	}
	*v, t.text = T(n), t.text[size:]
}

// passText is a string of any type.
func passText[T ~string](t *handover, v *T) {
	n := len(*v)
	passNumber(t, &n)
	switch {
	case !t.reading:
		t.text = append(t.text, *v...)
	case n < 0 || n > len(t.text):
		t.fail(errHandover)
	default:
		*v, t.text = T(t.text[:n]), t.text[n:]
	}
}

func passFlag(t *handover, v *bool) {
	n := 0
	if *v {
		n = 1
	}
	passNumber(t, &n)
	*v = n == 1
}

// passFile is nil on one side if it is on the other.
func passFile(t *handover, v **os.File) {
	fd, name := -1, ""
	if *v != nil {
		name = (*v).Name()
		if !t.reading {
			var err error
			if fd, err = sys.Inherit(*v); err != nil {
				t.fail(err)
			} else {
				t.files = append(t.files, *v)
			}
		}
	}
	passNumber(t, &fd)
	passText(t, &name)
	if t.reading && t.err == nil && fd >= 0 {
		var err error
		if *v, err = sys.Inherited(fd, name); err != nil {
			t.fail(err)
		}
	}
}

// passList is as long on one side as on the other; each does one of it.
func passList[T any](t *handover, v *[]T, each func(*handover, *T)) {
	n := len(*v)
	passNumber(t, &n)
	if t.reading {
		if n < 0 || n > len(t.text) {
			t.fail(errHandover)
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		each(t, &(*v)[i])
	}
}

func (t *handover) fail(err error) {
	if t.err == nil {
		t.err = err
	}
	t.text = nil
}

// send returns the file that the next program has to read.
func (t *handover) send() (*os.File, error) {
	if t.err != nil {
		return nil, t.err
	}
	fd, err := unix.MemfdCreate("burrow-settled", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "settled")
	if _, err := f.WriteAt(t.text, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// takeBack keeps the files from any other program.
func (t *handover) takeBack() {
	for _, f := range t.files {
		_ = sys.Disinherit(f)
	}
}

// receive reads what send has returned, and closes it.
func receive(f *os.File) (*handover, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t := &handover{reading: true, text: make([]byte, info.Size())}
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), t.text); err != nil {
		return nil, fmt.Errorf("read what was handed over: %w", err)
	}
	return t, nil
}
