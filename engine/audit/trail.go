package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/internal/journal"
	"github.com/burrow-run/burrow/internal/sys"
)

// ErrBroken means that the chain does not hold at some record.
var ErrBroken = errors.New("audit trail is broken")

// maxLine bounds a record: the tail of the file is read to find the last one.
const maxLine = 256 << 10

// Trail is the file of one user.
type Trail struct{ path string }

// At is the trail kept in the state directory.
func At(state string) Trail { return Trail{filepath.Join(state, "audit.jsonl")} }

// Append writes a record behind the last one, with its number, its time and the
// hash that chains it, and returns where that ends. It also goes to journald; that it could not is no error.
func (t Trail) Append(r Record) (end int64, err error) {
	f, err := t.open()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := sys.LockFile(f); err != nil { // until Close
		return 0, fmt.Errorf("audit: %w", err)
	}
	if err := t.append(f, r); err != nil {
		return 0, err
	}
	end, err = f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	return end, nil
}

func (t Trail) open() (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_APPEND
	f, err := os.OpenFile(t.path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) { // an image may come before the first container
		if err = os.MkdirAll(filepath.Dir(t.path), 0o700); err == nil {
			f, err = os.OpenFile(t.path, flags, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return f, nil
}

// append does it to the file whose lock the caller has.
func (t Trail) append(f *os.File, r Record) error {
	last, err := lastLine(f)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	r.Seq, r.Prev = 1, ""
	if len(last) > 0 {
		var before Record
		// A damaged line is chained to as it is: Verify reports it.
		_ = json.Unmarshal(last, &before)
		r.Seq, r.Prev = before.Seq+1, hash(last)
	}
	r.Time = time.Now().UTC()
	r.LoginUID = loginUID()
	r = r.bounded()
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("bug: encode audit record: %w", err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	toJournal(r, hash(line))
	return nil
}

func hash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// lastLine is the last line of the file without its newline. A line that was
// cut off by a full disk is ended first, so that the next one stands alone.
func lastLine(f *os.File) ([]byte, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return nil, err
	}
	for room := int64(tailSize); ; room *= 8 {
		tail := make([]byte, min(size, room, maxLine))
		if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
			return nil, err
		}
		whole, ended := bytes.CutSuffix(tail, []byte("\n"))
		begin := bytes.LastIndexByte(whole, '\n') + 1
		if begin == 0 && int64(len(tail)) < min(size, maxLine) {
			continue // it begins further up
		}
		if !ended {
			if _, err := f.Write([]byte("\n")); err != nil {
				return nil, err
			}
		}
		return whole[begin:], nil
	}
}

// tailSize is where looking for the last line begins: most are shorter.
const tailSize = 4 << 10

// journalPatience is how long a record waits for a journal that is behind.
const journalPatience = 2 * time.Second

func toJournal(r Record, sum string) {
	c, err := journal.Dial(journal.Socket, journalPatience)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.Send(append(journalFields(r), journal.Text(journalSum, sum))...)
}

// journalFields are a record's in the journal. Who the user is, the kernel tells
// journald: _UID, _AUDIT_LOGINUID.
func journalFields(r Record) []journal.Field {
	fields := []journal.Field{
		journal.Text("MESSAGE", fmt.Sprintf("%s %s %.12s: %s", r.Type, r.Name, r.ID, r.Kind)),
		journal.Text("PRIORITY", "6"), journal.Text("SYSLOG_IDENTIFIER", "burrow"),
		journal.Text(JournalEvent, string(r.Kind)), journal.Text(JournalID, r.ID),
		journal.Text(journalSeq, strconv.FormatUint(r.Seq, 10)), journal.Text("BURROW_PREV", r.Prev),
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, journal.Text(name, value))
		}
	}
	add("BURROW_NAME", r.Name)
	add("IMAGE_NAME", r.Image)
	add("IMAGE_DIGEST", r.ImageID)
	add("ARGV_SHA256", r.ArgvSHA256)
	if r.PID != 0 {
		add("BURROW_PID", strconv.Itoa(r.PID))
		add("BURROW_PID_START", strconv.FormatUint(r.Started, 10))
	}
	add("USERNS", r.Userns)
	add("CGROUP", r.Cgroup)
	add("MOUNTS", strings.Join(r.Mounts, "\n"))
	add("SECURITY_DEVIATIONS", strings.Join(r.Relaxations, " "))
	add("ERROR", r.Error)
	if r.ExitCode != nil {
		add("EXIT_CODE", strconv.Itoa(*r.ExitCode))
	}
	return fields
}

// The journal's fields by which a record is found there.
const (
	JournalEvent = "BURROW_EVENT"
	JournalID    = "BURROW_ID"

	journalSeq = "BURROW_SEQ"
	journalSum = "BURROW_SHA256" // of the line in the trail
)

// Argv is the hash of a command line.
func Argv(args []string) string {
	h := sha256.New()
	for _, a := range args {
		_, _ = io.WriteString(h, a+"\x00") // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Read hands all records to fn, oldest first; lines that are none are skipped.
// With follow it goes on as records are appended, until ctx ends.
func (t Trail) Read(ctx context.Context, follow bool, fn func(Record) error) error {
	f, err := os.Open(t.path)
	for errors.Is(err, os.ErrNotExist) && follow {
		if err := pause(ctx); err != nil {
			return err
		}
		f, err = os.Open(t.path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var part []byte
	for {
		line, err := r.ReadBytes('\n')
		part = append(part, line...)
		switch {
		case err == nil:
			var rec Record
			if json.Unmarshal(part, &rec) == nil {
				if err := fn(rec); err != nil {
					return err
				}
			}
			part = part[:0]
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("audit: %w", err)
		case !follow:
			return nil
		default:
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}
