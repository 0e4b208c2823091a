package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Entry is one entry's fields. Of a field that an entry has more than once, the
// last one counts.
type Entry map[string][]byte

// maxValue bounds what a field makes us allocate.
const maxValue = 64 << 20

// ErrFormat means that a stream is not what journalctl --output=export writes.
var ErrFormat = errors.New("not in the journal's export format")

// Decode hands the entries of an export stream to fn until its end, or until fn
// returns an error.
func Decode(r io.Reader, fn func(Entry) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	e := Entry{}
	flush := func() error {
		if len(e) == 0 {
			return nil
		}
		done := e
		e = Entry{}
		return fn(done)
	}
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				return nil // cut off, as its writer was
			}
			return flush()
		}
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		line = line[:len(line)-1]
		if len(line) == 0 {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		name, value, plain := bytes.Cut(line, []byte("="))
		if !plain {
			if value, err = readValue(br); err != nil {
				return err
			}
		}
		e[string(name)] = value
	}
}

// readValue reads a value that its length goes before.
func readValue(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxValue {
		return nil, fmt.Errorf("%w: a field of %d bytes", ErrFormat, n)
	}
	value := make([]byte, n+1)
	if _, err := io.ReadFull(r, value); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if value[n] != '\n' {
		return nil, ErrFormat
	}
	return value[:n], nil
}
