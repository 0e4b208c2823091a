package ctrlog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// Line is one line of a log, or a part of a long one.
type Line struct {
	Time    time.Time
	Stream  Stream
	Text    []byte // without the newline
	Partial bool   // more of the same line follows
}

// Query selects what is read.
type Query struct {
	Format       Format
	Since, Until time.Time // zero: no bound
	Tail         int       // last lines only; negative: all
	Follow       bool
	// Ended says that nothing more will be written; asked while following.
	Ended func() bool
}

// pollInterval is how often a follower looks for more. A log is a plain file
// so that it survives its writer; 50 ms is faster than anybody reads.
const pollInterval = 50 * time.Millisecond

// Read hands the selected lines to fn, oldest first, rotated files included.
func Read(ctx context.Context, path string, q Query, fn func(Line) error) error {
	files, err := openAll(path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer closeAll(files)
	t := newTail(q, fn)
	for _, f := range files {
		if err = readAll(f, q.Format, t.take); err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if e := t.flush(); e != nil || err != nil || !q.Follow || len(files) == 0 {
		return e
	}
	err = follow(ctx, path, files[len(files)-1], q, q.selected(fn))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// selected passes on what the bounds of time let through; io.EOF says that
// nothing more will come.
func (q Query) selected(emit func(Line) error) func(Line) error {
	return func(l Line) error {
		if !q.Since.IsZero() && l.Time.Before(q.Since) {
			return nil
		}
		if !q.Until.IsZero() && l.Time.After(q.Until) {
			return io.EOF
		}
		return emit(l)
	}
}

// tail passes on the selected lines, at once or the last of them when all have
// been seen.
type tail struct {
	q    Query
	fn   func(Line) error
	take func(Line) error
	kept []Line
}

func newTail(q Query, fn func(Line) error) *tail {
	t := &tail{q: q, fn: fn}
	if q.Tail < 0 {
		t.take = q.selected(fn)
		return t
	}
	t.take = q.selected(func(l Line) error {
		t.kept = append(t.kept, l)
		t.kept = t.kept[excess(t.kept, q.Tail):]
		return nil
	})
	return t
}

func (t *tail) flush() error {
	for _, l := range t.kept {
		if err := t.fn(l); err != nil {
			return err
		}
	}
	t.kept = nil
	return nil
}

// excess is how many leading entries of kept do not belong to the last n lines.
func excess(kept []Line, n int) int {
	lines := 0
	for i, line := range slices.Backward(kept) {
		if !line.Partial || i == len(kept)-1 { // the last may have no end yet
			lines++
		}
		if lines > n {
			return i + 1
		}
	}
	return 0
}

// rotated lists the log's files, oldest first. While it is rotated, one number is
// not in use.
func rotated(path string) []string {
	var files []string
	for i, missing := 0, 0; missing < 2; i++ {
		name := path
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		if _, err := os.Lstat(name); err != nil {
			missing++
			continue
		}
		missing = 0
		files = append(files, name)
	}
	slices.Reverse(files)
	return files
}

// openTries bounds how often a log is looked at that is being rotated.
const openTries = 100

// openAll opens the log's files and returns them oldest first: all that there
// were at one moment.
func openAll(path string) (files []*os.File, err error) {
	for range openTries {
		before, _ := os.Stat(path)
		if files, err = openOnce(path); err != nil {
			return nil, err
		}
		after, _ := os.Stat(path)
		if before != nil && after != nil && os.SameFile(before, after) {
			return files, nil
		}
		closeAll(files)
	}
	return openOnce(path)
}

// openOnce begins with the newest file: one that gets the next number meanwhile
// is found again under that. Of one rotation it meets one gap at most.
func openOnce(path string) (files []*os.File, err error) {
	var infos []os.FileInfo
	for i, missing := 0, 0; missing < 2; i++ {
		name := path
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			missing++
			continue
		}
		var info os.FileInfo
		if err == nil {
			info, err = f.Stat()
		}
		if err != nil {
			closeAll(files)
			return nil, err
		}
		missing = 0
		if slices.ContainsFunc(infos, func(seen os.FileInfo) bool { return os.SameFile(seen, info) }) {
			f.Close()
			continue
		}
		files, infos = append(files, f), append(infos, info)
	}
	slices.Reverse(files)
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// readAll reads whole lines up to the file's present end and leaves the offset there.
func readAll(f *os.File, format Format, fn func(Line) error) error {
	r := bufio.NewReaderSize(f, 64<<10)
	var consumed int64
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for {
		raw, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			_, err := f.Seek(start+consumed, io.SeekStart)
			return err
		}
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		consumed += int64(len(raw))
		l, ok := decode(raw[:len(raw)-1], format)
		if !ok {
			continue // a damaged line does not hide the others
		}
		if err := fn(l); err != nil {
			return err
		}
	}
}

func decode(raw []byte, format Format) (Line, bool) {
	if format == JSONFile {
		var j jsonLine
		if err := json.Unmarshal(raw, &j); err != nil {
			return Line{}, false
		}
		t, err := time.Parse(time.RFC3339Nano, j.Time)
		text, full := bytes.CutSuffix([]byte(j.Log), []byte("\n"))
		return Line{Time: t, Stream: j.Stream, Text: text, Partial: !full}, err == nil
	}
	f := bytes.SplitN(raw, []byte(" "), 4)
	if len(f) != 4 {
		return Line{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(f[0]))
	return Line{Time: t, Stream: Stream(f[1]), Text: f[3], Partial: string(f[2]) == "P"}, err == nil
}

// follow reads on as the file grows. When it has been rotated away, the rest
// of it is read before the next one is opened, so no line is lost.
func follow(ctx context.Context, path string, f *os.File, q Query, fn func(Line) error) error {
	defer func() { f.Close() }()
	for {
		ended := q.Ended != nil && q.Ended()
		if err := readAll(f, q.Format, fn); err != nil {
			return err
		}
		next, err := replaced(path, f)
		if err != nil {
			return err
		}
		if next != nil {
			if err := readAll(f, q.Format, fn); err != nil {
				next.Close()
				return err
			}
			f.Close()
			f = next
			continue
		}
		if ended {
			return nil
		}
		if !q.Until.IsZero() && time.Now().After(q.Until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// replaced returns the file that follows f in time if f is not the current one
// any more. Of several rotations since, none is passed over as long as its file
// is kept.
func replaced(path string, f *os.File) (*os.File, error) {
	mine, err := f.Stat()
	if err != nil {
		return nil, err
	}
	files := rotated(path) // oldest first
	for i, file := range slices.Backward(files) {
		info, err := os.Stat(file)
		if err != nil || !os.SameFile(info, mine) {
			continue
		}
		if i == len(files)-1 {
			return nil, nil //nolint:nilnil // still the current one
		}
		return openLog(files[i+1])
	}
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // being rotated: look again later
	}
	// Dropped while we read it: go on with the oldest that is left.
	return openLog(files[0])
}

func openLog(name string) (*os.File, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // being rotated, or removed: look again later
	}
	return f, err
}
