package plan

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Commit is what makes an image of a container: it goes to burrow-image as one
// line of JSON, and the writable layer follows as a tar stream in chunks. It is no
// argument, because those are everybody's to read and an environment may hold
// secrets. Chunks have a length of four bytes before them, and the last is empty:
// a tar stream itself does not tell its end from that of whoever writes it.
type Commit struct {
	Parent    string   `json:"parent"` // image ID
	Name      string   `json:"name,omitempty"`
	Author    string   `json:"author,omitempty"`
	Message   string   `json:"message,omitempty"`
	CreatedBy string   `json:"created_by,omitempty"`
	Changes   []string `json:"changes,omitempty"` // instructions of a Dockerfile
	// Config replaces the parent's in what it has a field for.
	Config Config `json:"config"`
}

// maxCommit bounds the line.
const maxCommit = 4 << 20

// Write writes the line.
func (c Commit) Write(w io.Writer) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("bug: encode commit: %w", err)
	}
	if len(b) >= maxCommit {
		return errors.New("commit: the container's configuration is too large")
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Chunks is what the layer is written to. Close says that it is complete.
type Chunks struct{ W io.Writer }

// Write writes one chunk.
func (c Chunks) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(b) > maxChunk {
		n, err := c.Write(b[:maxChunk])
		if err != nil {
			return n, err
		}
		m, err := c.Write(b[maxChunk:])
		return n + m, err
	}
	if err := c.length(len(b)); err != nil {
		return 0, err
	}
	return c.W.Write(b)
}

// Close writes the last chunk.
func (c Chunks) Close() error { return c.length(0) }

func (c Chunks) length(n int) error {
	_, err := c.W.Write(binary.LittleEndian.AppendUint32(nil, uint32(n))) //nolint:gosec // at most maxChunk
	return err
}

const maxChunk = 1 << 20

// chunkReader reads what Chunks has written, and knows whether that is all.
type chunkReader struct {
	r    io.Reader
	left int64
	done bool
}

var errCut = fmt.Errorf("read layer: it is cut off: %w", io.ErrUnexpectedEOF)

func (c *chunkReader) Read(b []byte) (int, error) {
	for c.left == 0 {
		if c.done {
			return 0, io.EOF
		}
		var head [4]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return 0, errCut
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxChunk {
			return 0, errors.New("read layer: a chunk is too long")
		}
		c.left, c.done = int64(n), n == 0
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) && (c.left > 0 || n == 0) {
		return n, errCut
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadCommit reads the line and returns the layer that follows it.
func ReadCommit(r io.Reader) (Commit, io.Reader, error) {
	var c Commit
	in := bufio.NewReaderSize(r, maxCommit)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return c, nil, fmt.Errorf("read commit: %w", err)
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return c, nil, fmt.Errorf("read commit: %w", err)
	}
	return c, &chunkReader{r: in}, nil
}
