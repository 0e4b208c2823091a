package ctrlog

import (
	"fmt"
	"sync"

	"github.com/burrow-run/burrow/internal/journal"
)

// ErrNoJournal means that journald cannot be written to or read.
var ErrNoJournal = journal.ErrNone

// CheckJournal says whether there is a journald that takes logs.
func CheckJournal() error {
	c, err := journal.Dial(journal.Socket, 0)
	if err != nil {
		return fmt.Errorf("%w on this host: %w", ErrNoJournal, err)
	}
	return c.Close()
}

// JournalOptions say whose log it is: CONTAINER_ID_FULL, CONTAINER_NAME and
// CONTAINER_TAG, as Podman and Docker name these fields.
type JournalOptions struct {
	ID, Name string
	Tag      string // also the SYSLOG_IDENTIFIER; "": the name
}

// JournalWriter writes a log to journald. It is safe for concurrent use.
type JournalWriter struct {
	mu     sync.Mutex
	conn   *journal.Conn
	fields []journal.Field
}

// OpenJournal connects to journald.
func OpenJournal(o JournalOptions) (*JournalWriter, error) {
	conn, err := journal.Dial(journal.Socket, 0)
	if err != nil {
		return nil, fmt.Errorf("%w on this host: %w", ErrNoJournal, err)
	}
	return newJournalWriter(conn, o), nil
}

func newJournalWriter(conn *journal.Conn, o JournalOptions) *JournalWriter {
	w := &JournalWriter{conn: conn, fields: []journal.Field{
		journal.Text("CONTAINER_ID_FULL", o.ID), journal.Text("CONTAINER_ID", o.ID[:min(12, len(o.ID))]),
		journal.Text("CONTAINER_NAME", o.Name),
	}}
	identifier := o.Name
	if o.Tag != "" {
		identifier = o.Tag
		w.fields = append(w.fields, journal.Text("CONTAINER_TAG", o.Tag))
	}
	w.fields = append(w.fields, journal.Text("SYSLOG_IDENTIFIER", identifier))
	return w
}

// Write sends what was printed, as Writer does. It returns when journald has it.
func (w *JournalWriter) Write(s Stream, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	priority := "6" // info
	if s == Stderr {
		priority = "3" // err
	}
	return split(p, func(text []byte, full bool) error {
		fields := append(w.fields[:len(w.fields):len(w.fields)],
			journal.Text("PRIORITY", priority), journal.Field{Name: "MESSAGE", Value: text})
		if !full {
			fields = append(fields, journal.Text("CONTAINER_PARTIAL_MESSAGE", "true"))
		}
		return w.conn.Send(fields...)
	})
}

// Close ends the connection.
func (w *JournalWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.Close()
}
