package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/userns"
)

// trailFlags select records of the trail.
type trailFlags struct {
	since, until, format string
	filters              []string
	stream               bool
}

func (f *trailFlags) define(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.since, "since", "", "only records after `TIME`: a duration such as 10m, a Unix time, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "only records before `TIME`")
	fs.StringArrayVarP(&f.filters, "filter", "f", nil, "only records with `KEY=VALUE`: container, event, image, label, type or volume")
	fs.StringVar(&f.format, "format", "", "json, or a Go template")
}

// events is the trail as Docker's and Podman's users know it.
func (a *app) eventsCommand() *cobra.Command {
	f := trailFlags{stream: true}
	cmd := &cobra.Command{
		Use: "events [OPTIONS]", Short: "Show what happens to containers, images and volumes, as it happens", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.showTrail(cmd.Context(), f, func(r audit.Record) any { return eventOf(r) })
		},
	}
	f.define(cmd)
	cmd.Flags().BoolVar(&f.stream, "stream", true, "go on as things happen")
	return cmd
}

func (a *app) auditCommand() *cobra.Command {
	var f trailFlags
	cmd := &cobra.Command{
		Use: "audit [OPTIONS]", Short: "Show the audit trail: who started what, when, and how it ended",
		Args: exactly(0, "no arguments; the other form is burrow audit verify"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.showTrail(cmd.Context(), f, func(r audit.Record) any { return r })
		},
	}
	f.define(cmd)
	cmd.AddCommand(a.auditVerifyCommand())
	return cmd
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var withJournal bool
	cmd := &cobra.Command{
		Use: "verify [OPTIONS]", Short: "Check that no record was changed, left out or inserted",
		Long: "Check that no record was changed, left out or inserted. The chain cannot tell that records at its end are missing, " +
			"or that it was written anew as a whole: --journal can, as the same records are in the journal.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			engine.SettleTrail(c.dirs)
			if withJournal {
				return a.verifyWithJournal(cmd.Context(), c)
			}
			n, err := audit.At(c.dirs.State).Verify()
			if errors.Is(err, audit.ErrBroken) {
				return hint.New(err, "journalctl SYSLOG_IDENTIFIER=burrow has the same records where there is a journal")
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%d records, the chain holds\n", n)
			return nil
		},
	}
	cmd.Flags().BoolVar(&withJournal, "journal", false, "compare with the journal, which is not yours to change")
	return cmd
}

func (a *app) verifyWithJournal(ctx context.Context, c caller) error {
	uids, _, err := userns.Maps(ctx, userns.User{Name: c.name, UID: uint32(c.uid), GID: uint32(c.gid)})
	if err != nil {
		return err
	}
	uid, ok := uids.Host(0) // root's containers are its first sub-ID's
	if !ok {
		uid = uint32(c.uid)
	}
	w, err := audit.At(c.dirs.State).VerifyJournal(ctx, uid)
	if errors.Is(err, audit.ErrBroken) {
		return hint.New(err, fmt.Sprintf("journalctl SYSLOG_IDENTIFIER=burrow _UID=%d has the same records", uid))
	}
	if err != nil {
		return err
	}
	if w.Records > 0 && w.Journal == 0 {
		return hint.New(errors.New("the journal has none of these records"), "burrow audit verify checks the chain alone")
	}
	fmt.Fprintf(a.out, "%d records, the chain holds, the journal has %d of them\n", w.Records, w.Journal)
	if w.Earlier > 0 {
		warn(a.err, fmt.Sprintf("the journal has seen %d earlier trails of yours begin", w.Earlier))
	}
	return nil
}

// showTrail prints what f selects; view is what --format sees of a record.
func (a *app) showTrail(ctx context.Context, f trailFlags, view func(audit.Record) any) error {
	c, _, _, err := whoAmI()
	if err != nil {
		return err
	}
	keep, err := f.keep()
	if err != nil {
		return err
	}
	engine.SettleTrail(c.dirs)
	show, err := a.recordPrinter(f.format, view)
	if err != nil {
		return err
	}
	since, err := parseTime(f.since)
	if err != nil {
		return fmt.Errorf("--since %w", err)
	}
	until, err := parseTime(f.until)
	if err != nil {
		return fmt.Errorf("--until %w", err)
	}
	if f.stream && since.IsZero() {
		since = time.Now() // as Docker: only what happens from now on
	}
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, maxTime(until, time.Now().Add(10*time.Millisecond)))
		defer cancel()
	}
	err = audit.At(c.dirs.State).Read(ctx, f.stream, func(r audit.Record) error {
		if r.Time.Before(since) || !until.IsZero() && r.Time.After(until) || !keep(r) {
			return nil
		}
		return show(r)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// keep combines the filters as Docker does: values of one key are alternatives,
// all keys must fit.
func (f trailFlags) keep() (func(audit.Record) bool, error) {
	want := map[string][]string{}
	for _, raw := range f.filters {
		key, value, ok := strings.Cut(raw, "=")
		if !ok || !slices.Contains([]string{"container", "event", "image", "label", "type", "volume"}, key) {
			return nil, fmt.Errorf("--filter %q: needs container=, event=, image=, label=, type= or volume=", raw)
		}
		want[key] = append(want[key], value)
	}
	fits := func(key string, match func(value string) bool) bool {
		values, asked := want[key]
		return !asked || slices.ContainsFunc(values, match)
	}
	return func(r audit.Record) bool {
		named := func(t audit.Type) func(string) bool {
			return func(v string) bool { return r.Type == t && (v == r.Name || v != "" && strings.HasPrefix(r.ID, v)) }
		}
		return fits("container", named(audit.Container)) && fits("volume", named(audit.Volume)) &&
			fits("event", func(v string) bool { return v == string(r.Kind) || v == dockerWord(r.Type.String(), r.Kind) }) &&
			fits("image", func(v string) bool { return v == r.Image || v == r.ImageID || named(audit.Image)(v) }) &&
			fits("type", func(v string) bool { return v == r.Type.String() }) &&
			!slices.ContainsFunc(want["label"], func(v string) bool { return !hasLabel(r, v) })
	}, nil
}

// hasLabel is for KEY and KEY=VALUE.
func hasLabel(r audit.Record, want string) bool {
	key, value, exact := strings.Cut(want, "=")
	have, ok := r.Labels[key]
	return ok && (!exact || have == value)
}

func (a *app) recordPrinter(template string, view func(audit.Record) any) (func(audit.Record) error, error) {
	switch template {
	case "":
		return func(r audit.Record) error {
			_, err := fmt.Fprintln(a.out, recordLine(r))
			return err
		}, nil
	case "json":
		return func(r audit.Record) error { return format.JSON(a.out, view(r), "") }, nil
	}
	t, err := format.New(template, "json")
	if err != nil {
		return nil, err
	}
	return func(r audit.Record) error { return format.Print(t, a.out, []any{view(r)}, nil, 0) }, nil
}

// recordLine is Podman's form: time, type, event, ID, and the rest in parentheses.
func recordLine(r audit.Record) string {
	at := r.Time.Local().Format("2006-01-02 15:04:05.999999999 -0700 MST")
	if r.Type != audit.Container {
		return fmt.Sprintf("%s %s %s %s", at, r.Type, r.Kind, oneLine(strings.TrimSpace(r.ID+" "+r.Name)))
	}
	more := []string{"image=" + r.Image, "name=" + r.Name}
	if r.ExitCode != nil {
		more = append(more, "exitCode="+strconv.Itoa(*r.ExitCode))
	}
	if r.Health != "" {
		more = append(more, "health_status="+r.Health)
	}
	if len(r.Relaxations) > 0 {
		more = append(more, "relaxations="+strings.Join(r.Relaxations, "+"))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		more = append(more, key+"="+r.Labels[key])
	}
	return fmt.Sprintf("%s container %s %s (%s)", at, r.Kind, r.ID, oneLine(strings.Join(more, ", ")))
}
