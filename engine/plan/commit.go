package plan

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Commit is what makes an image of a container: it goes to burrow-image as one
// line of JSON, and the writable layer follows as a tar stream. It is no argument,
// because those are everybody's to read and an environment may hold secrets.
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

// ReadCommit reads the line and returns what follows it.
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
	return c, in, nil
}
