package ctrlog

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/journal"
)

// JournalQuery says whose log is read.
type JournalQuery struct {
	Query
	ID  string // of the container
	UID int    // of the user on the host, who alone can have written it; negative: anybody
	// EndEvent is a match of the entry that comes after the last line, FIELD=VALUE
	// each; Started is when the container started last: an earlier one does not count.
	EndEvent []string
	Started  func() time.Time
}

// journalGrace is how long a follower waits for the end's entry once the
// container has ended: its supervisor may have been killed.
const journalGrace = 2 * time.Second

// ReadJournal hands the selected lines to fn, through journalctl.
func ReadJournal(ctx context.Context, q JournalQuery, fn func(Line) error) error {
	r := &journalReader{q: q}
	t := newTail(q.Query, fn)
	err := r.read(ctx, nil, func(e journal.Entry) error { return r.entry(e, t.take) })
	past := errors.Is(err, io.EOF) // everything until --until has been seen
	if err != nil && !past {
		return err
	}
	if err := t.flush(); err != nil || past || !q.Follow {
		return err
	}
	err = r.follow(ctx, q.selected(fn))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type journalReader struct {
	q      JournalQuery
	cursor string
	end    time.Time // of the last end's entry
}

func (r *journalReader) args(more []string) []string {
	args := []string{
		"--output-fields=MESSAGE,PRIORITY,CONTAINER_ID_FULL,CONTAINER_PARTIAL_MESSAGE",
	}
	if !r.q.Since.IsZero() {
		args = append(args, "--since=@"+strconv.FormatInt(r.q.Since.Unix(), 10))
	}
	if r.cursor != "" {
		args = append(args, "--after-cursor="+r.cursor)
	}
	args = append(args, more...)
	var who []string
	if r.q.UID >= 0 {
		who = []string{"_UID=" + strconv.Itoa(r.q.UID)}
	}
	args = append(append(args, who...), "CONTAINER_ID_FULL="+r.q.ID)
	return append(append(append(args, "+"), who...), r.q.EndEvent...)
}

// read hands on what journalctl prints until it ends.
func (r *journalReader) read(ctx context.Context, more []string, fn func(journal.Entry) error) error {
	err := journal.Read(ctx, r.args(more), fn)
	if errors.Is(err, journal.ErrNone) {
		return hint.New(err, hint.Of(err)+"; --log-driver=k8s-file needs no journal")
	}
	return err
}

// entry turns an entry of the journal into a line.
func (r *journalReader) entry(e journal.Entry, fn func(Line) error) error {
	r.cursor = string(e["__CURSOR"])
	usec, err := strconv.ParseInt(string(e["__REALTIME_TIMESTAMP"]), 10, 64)
	if err != nil {
		return nil //nolint:nilerr // a damaged entry does not hide the others
	}
	at := time.UnixMicro(usec)
	if string(e["CONTAINER_ID_FULL"]) != r.q.ID {
		r.end = at
		return nil
	}
	l := Line{Time: at, Stream: Stdout, Text: e["MESSAGE"], Partial: string(e["CONTAINER_PARTIAL_MESSAGE"]) == "true"}
	if string(e["PRIORITY"]) == "3" {
		l.Stream = Stderr
	}
	return fn(l)
}

// over says that the container has ended, and whether its last line has been
// read for certain.
func (r *journalReader) over() (ended, certain bool) {
	ended = r.q.Ended != nil && r.q.Ended()
	return ended, ended && !r.end.IsZero() && !r.end.Before(r.q.Started())
}

// follow reads on as the journal grows, until the end's entry has come.
func (r *journalReader) follow(ctx context.Context, fn func(Line) error) error {
	if _, certain := r.over(); certain {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	entries, done := make(chan journal.Entry), make(chan error, 1)
	go func() {
		done <- r.read(ctx, []string{"--follow", "--no-tail"}, func(e journal.Entry) error {
			select {
			case entries <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	running, err := r.watch(ctx, fn, entries, done)
	stop()
	if running {
		<-done
	}
	return err
}

// watch takes entries until there will be no more. running says that their
// source is still to be waited for.
func (r *journalReader) watch(ctx context.Context, fn func(Line) error, entries <-chan journal.Entry, done <-chan error) (running bool, err error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	quiet := time.Now()
	for {
		select {
		case e := <-entries:
			quiet = time.Now()
			before := r.end
			if err := r.entry(e, fn); err != nil {
				return true, err
			}
			if r.end.Equal(before) {
				continue
			}
		case err := <-done:
			return false, err
		case <-ctx.Done():
			return true, ctx.Err()
		case now := <-tick.C:
			if !r.q.Until.IsZero() && now.After(r.q.Until) {
				return true, nil
			}
		}
		ended, certain := r.over()
		if !ended {
			quiet = time.Now()
		}
		if certain || ended && time.Since(quiet) > journalGrace {
			return true, nil
		}
	}
}
