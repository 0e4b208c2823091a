package unpack

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// maxSegment bounds the raw bytes held back before they are written.
const maxSegment = 1 << 20

// splitter reads for the tar parser and notes, in tar-split's format, every
// byte that is not the content of a file: one JSON object per line,
//
//	{"type":2,"payload":base64,"position":n}                    raw bytes
//	{"type":1,"name":…,"size":n,"payload":crc64,"position":n}   a file's content
type splitter struct {
	src     io.Reader
	raw     []byte
	content bool // what is read now is the content of a file
	crc     uint64

	z        *gzip.Writer
	w        *bufio.Writer
	scratch  []byte
	position int
	err      error // of w; reported by close
}

func newSplitter(src io.Reader, out io.Writer) *splitter {
	s := &splitter{src: src}
	if out != nil {
		s.z, s.err = gzip.NewWriterLevel(out, gzip.BestSpeed)
		s.w = bufio.NewWriterSize(s.z, 1<<16)
	}
	return s
}

func (s *splitter) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	if !s.content && s.w != nil && n > 0 {
		s.raw = append(s.raw, p[:n]...)
		if len(s.raw) >= maxSegment {
			s.flush()
		}
	}
	return n, err
}

// begin says that what comes next is a file's content.
func (s *splitter) begin() { s.content, s.crc = true, 0 }

// payload adds content to the checksum.
func (s *splitter) payload(b []byte) {
	if s.content && s.w != nil {
		s.crc = crcUpdate(s.crc, b)
	}
}

// end notes the file whose content was read.
func (s *splitter) end(name string, size int64) {
	s.content = false
	if s.w == nil {
		return
	}
	s.flush()
	b := append(s.scratch[:0], `{"type":1,`...)
	b = appendName(b, name)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, size, 10)
	var sum [8]byte
	for i := range sum {
		sum[i] = byte(s.crc >> (56 - 8*i))
	}
	s.line(b, sum[:])
}

// appendName writes valid text as such and other bytes in base64.
func appendName(b []byte, name string) []byte {
	if plainText(name) {
		b = append(append(b, `"name":"`...), name...)
		return append(b, '"')
	}
	text, err := json.Marshal(name)
	var back string
	if err == nil && json.Unmarshal(text, &back) == nil && back == name {
		return append(append(b, `"name":`...), text...)
	}
	b = append(b, `"name_raw":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(name))
	return append(b, '"')
}

// plainText says that JSON has s as it is.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// flush writes the raw bytes as a segment.
func (s *splitter) flush() {
	if len(s.raw) > 0 {
		s.line(append(s.scratch[:0], `{"type":2`...), s.raw)
		s.raw = s.raw[:0]
	}
}

func (s *splitter) line(b, payload []byte) {
	b = append(b, `,"payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, payload)
	b = append(b, `","position":`...)
	b = strconv.AppendInt(b, int64(s.position), 10)
	b = append(b, "}\n"...)
	s.position++
	s.scratch = b
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
}

// drain reads the source to its end, noting everything.
func (s *splitter) drain(m *meter) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		if err := m.add(n); err != nil {
			return err
		}
		switch {
		case err == io.EOF: //nolint:errorlint // io.Reader's contract
			return s.err
		case err != nil:
			return err
		}
	}
}

// close writes what is left. The destination stays open.
func (s *splitter) close() error {
	if s.w == nil {
		return s.err
	}
	s.flush()
	if s.err == nil {
		s.err = s.w.Flush()
	}
	if err := s.z.Close(); s.err == nil {
		s.err = err
	}
	return s.err
}

// abort frees the compressor and returns the error that made writing stop, if
// that came first.
func (s *splitter) abort() error { return s.err }
