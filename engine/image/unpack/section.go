package unpack

import (
	"errors"
	"io"
	"os"
)

// Section is a piece of a file to read a layer from. A worker is given the file
// itself. Close it when done.
type Section struct {
	file *os.File
	left int64
}

// NewSection returns size bytes of f from offset on. f is the section's from then on,
// also if there is an error.
func NewSection(f *os.File, offset, size int64) (*Section, error) {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Section{f, size}, nil
}

// Read implements io.Reader.
func (s *Section) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.file.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the file.
func (s *Section) Close() error { return s.file.Close() }

// lend returns the file and how much is to be read of it. The section is at its end
// then: what is not read is missed by nobody.
func (s *Section) lend() (*os.File, int64) {
	left := s.left
	s.left = 0
	return s.file, left
}
