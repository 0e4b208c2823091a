package image

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAccounts bounds what is read of passwd and group: an image may bring
// files of any size.
const maxAccounts = 1 << 20

// accounts returns the IDs in the image's passwd and group files. They are a
// forecast of what a container will need, so what cannot be read is left out.
func (v *view) accounts() (uids, gids []uint32) {
	for _, line := range v.lines("etc/passwd") {
		if len(line) >= 4 {
			uids, gids = appendID(uids, line[2]), appendID(gids, line[3])
		}
	}
	for _, line := range v.lines("etc/group") {
		if len(line) >= 3 {
			gids = appendID(gids, line[2])
		}
	}
	return uids, gids
}

func appendID(ids []uint32, s string) []uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 1<<32-1 {
		return ids
	}
	return append(ids, uint32(n))
}

// lines returns the fields of the visible file's lines.
func (v *view) lines(name string) [][]string {
	var out [][]string
	sc := bufio.NewScanner(bytes.NewReader(v.read(name)))
	for sc.Scan() {
		out = append(out, strings.Split(sc.Text(), ":"))
	}
	return out
}

// read returns the start of the regular file name in the topmost layer that
// has it.
func (v *view) read(name string) []byte {
	for _, l := range v.layers {
		fd, err := l.open(name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
		if errors.Is(err, unix.ENOENT) {
			if c, err := l.directory("etc"); err != nil || c == hidden {
				return nil
			}
			continue
		}
		if err != nil {
			return nil // a link, or a whiteout
		}
		return readStart(fd)
	}
	return nil
}

func readStart(fd int) []byte {
	f := os.NewFile(uintptr(fd), "accounts")
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxAccounts))
	if err != nil {
		return nil
	}
	return b
}
