package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/burrow-run/burrow/engine/image/unpack/inflate"
)

// Compression formats, as they are called in media types and file names.
const (
	formatGzip  = "gzip"
	formatZstd  = "zstd"
	formatBzip2 = "bzip2"
	formatXz    = "xz"
)

// maxWindow bounds what a zstd or xz stream can make the decoder allocate. It
// is the window of zstd -22 --ultra; xz -9 needs half of it.
const maxWindow = 128 << 20

// decompress looks at the first bytes. What is in no known format is passed on
// as it is: the tar reader will judge. The returned func frees the decoder.
func decompress(r io.Reader) (plain io.Reader, format string, closer func(), err error) {
	b := bufio.NewReaderSize(r, chunkSize/4) // less than what is asked for at once is: it is then passed by
	head, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", nil, err
	}
	none := func() {}
	switch format := sniff(head); format {
	case formatGzip:
		z, err := inflate.NewReader(b)
		return z, format, none, broken(format, err)
	case formatZstd:
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, "", nil, broken(format, err)
		}
		return z, format, z.Close, nil
	case formatXz:
		if err := checkXz(b); err != nil {
			return nil, "", nil, broken(format, err)
		}
		z, err := xz.NewReader(b)
		return z, format, none, broken(format, err)
	case formatBzip2:
		return bzip2.NewReader(b), format, none, nil
	}
	return b, "", none, nil
}

func broken(format string, err error) error {
	if err == nil || errors.Is(err, errRead) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrInvalid, format, err)
}

func sniff(head []byte) string {
	for _, m := range []struct{ magic, format string }{
		{"\x1f\x8b", formatGzip},
		{"\x28\xb5\x2f\xfd", formatZstd},
		{"\xfd7zXZ\x00", formatXz},
		{"BZh", formatBzip2},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format
		}
	}
	return ""
}

// checkXz reads the dictionary size of the first block (xz file format 1.1,
// 3.1 and 5.3.1): the decoder allocates what the stream says.
func checkXz(b *bufio.Reader) error {
	head, err := b.Peek(12 + 18)
	if err != nil {
		return nil //nolint:nilerr // too short for a dictionary; the decoder will say so
	}
	block := head[12:]
	at := 2
	for _, flag := range []byte{0x40, 0x80} { // optional sizes, 7 bits a byte
		if block[1]&flag == 0 {
			continue
		}
		for at < len(block)-3 && block[at]&0x80 != 0 {
			at++
		}
		at++
	}
	const lzma2 = 0x21
	if block[1]&3 != 0 || at+2 >= len(block) || block[at] != lzma2 {
		return nil // other filters: the decoder refuses them
	}
	bits := block[at+2]
	if bits > 40 || (2|uint64(bits)&1)<<(bits/2+11) > maxWindow {
		return errors.New("the dictionary is too large")
	}
	return nil
}
