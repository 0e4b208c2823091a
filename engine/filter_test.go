package engine

import (
	"slices"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	d := testDirs(t)
	begin := time.Now().Add(-time.Hour)
	self := someone(t)
	records := []Record{
		record(t, d, func(r *Record) {
			r.Name, r.Exited, r.ExitCode, r.Created = "old", true, 3, begin
			r.Image, r.Metadata.Labels = "localhost/a:latest", map[string]string{"k": "v", "l": ""}
		}),
		record(t, d, func(r *Record) {
			r.Name, r.PID, r.Start, r.Network = "runs", self.PID, self.Start, "none"
			r.Image, r.Metadata.Labels = "localhost/b:latest", map[string]string{"k": "w"}
		}),
		record(t, d, func(r *Record) { r.Name, r.PID, r.Network = "new", 0, "pasta:-t" }),
	}
	// Its first process is gone, and this one has not written how it ended.
	if ending := record(t, d, func(r *Record) { r.Owner = self }); ending.Running() || ending.State() != "running" {
		t.Errorf("a container whose end is not recorded yet is %s", ending.State())
	}
	for _, c := range []struct {
		filters []string
		want    []string
	}{
		{nil, []string{"old", "runs", "new"}},
		{[]string{"name=old"}, []string{"old"}},
		{[]string{"name=^[or]"}, []string{"old", "runs"}},
		{[]string{"name=^/old$"}, []string{"old"}},
		{[]string{"name=^/ol$"}, nil},
		{[]string{"name=old", "name=new"}, []string{"old", "new"}},
		{[]string{"id=" + records[1].ID[:10]}, []string{"runs"}},
		{[]string{"label=k"}, []string{"old", "runs"}},
		{[]string{"label=k=v"}, []string{"old"}},
		{[]string{"label=k", "label=l"}, []string{"old"}},
		{[]string{"label!=k"}, []string{"new"}},
		{[]string{"label!=k=v"}, []string{"runs", "new"}},
		{[]string{"status=exited"}, []string{"old"}},
		{[]string{"status=running", "status=created"}, []string{"runs", "new"}},
		{[]string{"status=exited", "name=runs"}, nil},
		{[]string{"exited=3"}, []string{"old"}},
		{[]string{"exited=0"}, nil},
		{[]string{"ancestor=a"}, []string{"old"}},
		{[]string{"ancestor=localhost/b:latest"}, []string{"runs"}},
		{[]string{"since=old"}, []string{"runs", "new"}},
		{[]string{"before=runs"}, []string{"old"}},
		{[]string{"until=30m"}, []string{"old"}},
		{[]string{"until=2h"}, nil},
		{[]string{"network=pasta"}, []string{"new"}},
	} {
		f, err := NewFilter(d, c.filters)
		if err != nil {
			t.Errorf("%v: %v", c.filters, err)
			continue
		}
		var got []string
		for _, r := range records {
			if f.Match(r) {
				got = append(got, r.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.filters, got, c.want)
		}
	}
	for _, bad := range []string{"", "name", "=x", "color=blue", "status=blue", "exited=x", "name=[", "since=nosuch", "until=soon"} {
		if _, err := NewFilter(d, []string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := NewFilter(d, []string{"name=x"}, "until"); err == nil {
		t.Error("a key that the command does not have was accepted")
	}
}

func TestPointsInTime(t *testing.T) {
	for _, s := range []string{"2020-01-02", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05+01:00", "2020-01-02T03:04", "1577934245", "1577934245.5"} {
		if at, err := pointInTime(s); err != nil || at.Year() != 2020 {
			t.Errorf("%s: %v, %v", s, at, err)
		}
	}
}
