package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/ctrlog"
)

type logFlags struct {
	follow, timestamps, names, color bool
	since, until, tail               string
}

func (a *app) logsCommand() *cobra.Command {
	var f logFlags
	pick := selection{}
	cmd := &cobra.Command{
		Use: "logs [OPTIONS] CONTAINER [CONTAINER...]", Short: "Show what containers have printed",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			q, err := f.query()
			if err != nil {
				return err
			}
			if args, err = pick.choose(c, args, nil); err != nil {
				return err
			}
			records, err := lookupAll(c, args)
			if err != nil {
				return err
			}
			for _, rec := range records { // before anything is shown
				if err := rec.HasLog(); err != nil {
					return err
				}
			}
			return a.logs(cmd.Context(), c, records, q, f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on until the container ends")
	fs.BoolVarP(&f.timestamps, "timestamps", "t", false, "show when each line was printed")
	fs.BoolVarP(&f.names, "names", "n", false, "show the container's name before each line")
	fs.BoolVar(&f.color, "color", false, "show several containers in different colours")
	fs.StringVar(&f.since, "since", "", "only lines after `TIME`: a duration such as 10m, a Unix time, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "only lines before `TIME`")
	fs.StringVarP(&f.tail, "tail", "", "all", "only the last `N` lines")
	pick.define(fs, "latest")
	refuse(cmd, flags.On("details", "there are no log attributes to be shown", "burrow inspect shows labels and environment"))
	return cmd
}

func (f logFlags) query() (ctrlog.Query, error) {
	q := ctrlog.Query{Tail: -1, Follow: f.follow}
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

// logs shows one container's log after the other's, or follows all at once.
func (a *app) logs(ctx context.Context, c caller, records []engine.Record, q ctrlog.Query, f logFlags) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	uid := c.uid
	if uid == 0 {
		uid = -1 // root's supervisors have a sub-ID of root's
	}
	var printing sync.Mutex
	show := func(i int, rec engine.Record) error {
		p := linePrinter{a: a, flags: f, prefix: f.prefix(i, rec, len(records) > 1)}
		return engine.ReadLog(ctx, c.dirs, rec, q, uid, func(l ctrlog.Line) error {
			printing.Lock()
			defer printing.Unlock()
			return p.print(l)
		})
	}
	if !q.Follow || len(records) == 1 {
		for i, rec := range records {
			if err := show(i, rec); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(records))
	var wg sync.WaitGroup
	for i, rec := range records {
		wg.Go(func() {
			if errs[i] = show(i, rec); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// prefix says which of several containers a line is from: Podman shows the ID,
// or the name if asked.
func (f logFlags) prefix(i int, rec engine.Record, several bool) string {
	text := ""
	switch {
	case f.names:
		text = rec.Name
	case several:
		text = rec.ID[:12]
	default:
		return ""
	}
	if f.color {
		text = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+i%6, text) // red to cyan
	}
	return text + " "
}

// linePrinter puts prefix and time before each line, and not before each of the
// parts that a long one is stored in.
type linePrinter struct {
	a      *app
	flags  logFlags
	prefix string
	within map[ctrlog.Stream]bool // the last part has no end yet
}

func (p *linePrinter) print(l ctrlog.Line) error {
	var w io.Writer = p.a.out
	if l.Stream == ctrlog.Stderr {
		w = p.a.err
	}
	var b []byte
	if !p.within[l.Stream] {
		b = append(b, p.prefix...)
		if p.flags.timestamps {
			b = append(b, l.Time.Format(time.RFC3339Nano)+" "...)
		}
	}
	b = append(b, l.Text...)
	if !l.Partial {
		b = append(b, '\n')
	}
	if p.within == nil {
		p.within = map[ctrlog.Stream]bool{}
	}
	p.within[l.Stream] = l.Partial
	_, err := w.Write(b)
	return err
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
