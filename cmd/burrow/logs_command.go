package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/ctrlog"
)

type logFlags struct {
	follow, timestamps, names bool
	since, until, tail        string
}

func (a *app) logsCommand() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [OPTIONS] CONTAINER", Short: "Show what a container has printed", Args: exactly(1, "one container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			q, err := f.query(rec)
			if err != nil {
				return err
			}
			q.Ended = func() bool {
				now, err := engine.Lookup(c.dirs, rec.ID)
				return err != nil || !now.Running()
			}
			return ctrlog.Read(cmd.Context(), engine.LogPath(c.dirs, rec.ID), q, func(l ctrlog.Line) error {
				return a.printLine(l, f, rec)
			})
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on until the container ends")
	fs.BoolVarP(&f.timestamps, "timestamps", "t", false, "show when each line was printed")
	fs.BoolVarP(&f.names, "names", "n", false, "show the container's name before each line")
	fs.StringVar(&f.since, "since", "", "only lines after `TIME`: a duration such as 10m, a Unix time, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "only lines before `TIME`")
	fs.StringVarP(&f.tail, "tail", "", "all", "only the last `N` lines")
	return cmd
}

func (f logFlags) query(rec engine.Record) (ctrlog.Query, error) {
	q := ctrlog.Query{Format: engine.LogFormat(rec.Spec.Log), Tail: -1, Follow: f.follow}
	if q.Format == "" || rec.Foreground {
		return q, fmt.Errorf("container %s keeps no log: its output went to the caller", rec.Name)
	}
	if f.tail != "all" && f.tail != "" {
		n, err := strconv.Atoi(f.tail)
		if err != nil {
			return q, fmt.Errorf("--tail %q: is neither a number nor all", f.tail)
		}
		q.Tail = n
	}
	var err error
	if q.Since, err = parseTime(f.since); err != nil {
		return q, fmt.Errorf("--since %w", err)
	}
	if q.Until, err = parseTime(f.until); err != nil {
		return q, fmt.Errorf("--until %w", err)
	}
	return q, nil
}

// parseTime reads what Docker's --since takes.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-d), nil
	}
	if sec, frac, _ := strings.Cut(s, "."); strings.Trim(sec+frac, "0123456789") == "" {
		f, err := strconv.ParseFloat(s, 64)
		if err == nil {
			return time.UnixMicro(int64(f * 1e6)), nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(strconv.Quote(s) + ": is no time; say 10m, 1700000000 or 2026-01-02T15:04:05Z")
}

func (a *app) printLine(l ctrlog.Line, f logFlags, rec engine.Record) error {
	var w io.Writer = a.out
	if l.Stream == ctrlog.Stderr {
		w = a.err
	}
	var b []byte
	if f.names {
		b = append(b, rec.Name+" "...)
	}
	if f.timestamps {
		b = append(b, l.Time.Format(time.RFC3339Nano)+" "...)
	}
	b = append(b, l.Text...)
	if !l.Partial {
		b = append(b, '\n')
	}
	_, err := w.Write(b)
	return err
}
