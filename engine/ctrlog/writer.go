package ctrlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Stream is where a line was printed.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Format is how lines are stored.
type Format string

// The formats that are files.
const (
	K8sFile  Format = "k8s-file"  // Kubernetes' CRI format: TIME STREAM F|P TEXT
	JSONFile Format = "json-file" // Docker's: {"log":…,"stream":…,"time":…}
)

// MaxPart is the longest piece of a line that is written at once.
const MaxPart = 16 << 10

// Options of a Writer.
type Options struct {
	Format  Format
	MaxSize int64 // bytes after which the file is rotated; 0: never
	MaxFile int   // files kept, the current one included; less than 1 means 1
}

// Writer writes a log. It is safe for concurrent use.
type Writer struct {
	path string
	opts Options

	mu   sync.Mutex
	f    *os.File
	size int64
	held map[Stream][]byte // the beginning of a character whose end is still to come
	last []byte            // memory of the last line
	now  func() time.Time
}

// Create opens the log at path for appending.
func Create(path string, o Options) (*Writer, error) {
	w := &Writer{path: path, opts: o, held: map[Stream][]byte{}, now: time.Now}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

// Resume is Create with the file that another Writer, or the same one in an earlier program of
// this process, has opened. It is taken over.
func Resume(path string, f *os.File, o Options) (*Writer, error) {
	w := &Writer{path: path, opts: o, held: map[Stream][]byte{}, now: time.Now}
	return w, w.use(f)
}

// File is what the log is written to until it is rotated.
func (w *Writer) File() *os.File { return w.f }

func (w *Writer) open() error {
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	return w.use(f)
}

func (w *Writer) use(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.f, w.size = f, info.Size()
	return nil
}

// Write takes what was printed on a stream and writes it at once: whole lines,
// and what has no end yet as a part, so that a prompt is seen and a crash loses
// nothing.
func (w *Writer) Write(s Stream, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opts.Format == JSONFile {
		p = w.whole(s, p)
	}
	return split(p, func(text []byte, full bool) error { return w.line(s, text, full) })
}

// split hands what was printed to fn as lines and parts of lines.
func split(p []byte, fn func(text []byte, full bool) error) error {
	for len(p) > 0 {
		n, full := min(len(p), MaxPart), false
		if i := bytes.IndexByte(p, '\n'); i >= 0 && i <= MaxPart {
			n, full = i, true
		}
		for i := 1; i < utf8.UTFMax && n < len(p) && !full && !utf8.RuneStart(p[n]); i++ {
			n-- // a character stays in one piece
		}
		if err := fn(p[:n], full); err != nil {
			return err
		}
		p = p[n:]
		if full {
			p = p[1:]
		}
	}
	return nil
}

// whole is p, with what was held back before it, without the beginning of a
// character at its end: JSON holds characters, not bytes.
func (w *Writer) whole(s Stream, p []byte) []byte {
	p = append(w.held[s], p...)
	n := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				n -= i
			}
			break
		}
	}
	w.held[s] = slices.Clone(p[n:])
	return p[:n]
}

// line writes one line, or a part of one.
func (w *Writer) line(s Stream, text []byte, full bool) error {
	b := w.encode(s, text, full)
	if w.opts.MaxSize > 0 && w.size > 0 && w.size+int64(len(b)) > w.opts.MaxSize {
		_ = w.rotate() // a log that grows too long is better than none
	}
	n, err := w.f.Write(b)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// encode returns what is good until it is called again: it keeps a line's memory for the
// next one, unless that is much.
func (w *Writer) encode(s Stream, text []byte, full bool) []byte {
	if w.opts.Format == JSONFile {
		if full {
			text = append(append([]byte(nil), text...), '\n')
		}
		b, err := json.Marshal(jsonLine{Log: string(text), Stream: s, Time: w.now().Format(time.RFC3339Nano)})
		if err != nil {
			b = []byte(`{"log":"bug: unencodable line"}`)
		}
		return append(b, '\n')
	}
	tag := " F "
	if !full {
		tag = " P "
	}
	b := w.now().AppendFormat(w.last[:0], time.RFC3339Nano)
	b = append(append(append(b, ' '), s...), tag...)
	b = append(append(b, text...), '\n')
	if cap(b) <= 1<<10 {
		w.last = b
	}
	return b
}

type jsonLine struct {
	Log    string `json:"log"`
	Stream Stream `json:"stream"`
	Time   string `json:"time"`
}

// rotate makes room: FILE becomes FILE.1, FILE.1 becomes FILE.2, the last is
// dropped. A reader that has the old file open reads it to its end. If it fails,
// the old file is written on.
func (w *Writer) rotate() error {
	keep := max(w.opts.MaxFile, 1)
	name := func(i int) string {
		if i == 0 {
			return w.path
		}
		return w.path + "." + strconv.Itoa(i)
	}
	if keep == 1 {
		if err := os.Remove(w.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	for i := keep - 2; i >= 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	old := w.f
	if err := w.open(); err != nil {
		return err
	}
	return old.Close()
}

// Close closes the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	for s, rest := range w.held {
		if len(rest) > 0 {
			err = errors.Join(err, w.line(s, rest, false))
		}
	}
	return errors.Join(err, w.f.Close())
}
