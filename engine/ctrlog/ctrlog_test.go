package ctrlog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func readBack(t *testing.T, path string, q Query) (out string) {
	t.Helper()
	err := Read(t.Context(), path, q, func(l Line) error {
		out += fmt.Sprintf("%s:%s", l.Stream, l.Text)
		if !l.Partial {
			out += "\n"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, format := range []Format{K8sFile, JSONFile} {
		t.Run(string(format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			w, err := Create(path, Options{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []struct {
				s    Stream
				text string
			}{{Stdout, "one\ntw"}, {Stderr, "err\n"}, {Stdout, "o\n\nlast"}} {
				if err := w.Write(p.s, []byte(p.text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want := "stdout:one\nstdout:twstderr:err\nstdout:o\nstdout:\nstdout:last"
			if got := readBack(t, path, Query{Format: format, Tail: -1}); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
			if got := readBack(t, path, Query{Format: format, Tail: 2}); got != "stdout:\nstdout:last" {
				t.Errorf("last two lines: %q", got)
			}
			if got := readBack(t, path, Query{Format: format, Tail: 0}); got != "" {
				t.Errorf("no lines: %q", got)
			}
		})
	}
}

// A line longer than a part must come back whole.
func TestLongLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Options{Format: K8sFile})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("0123456789", 10_000)
	if err := w.Write(Stdout, []byte(line+"\nnext\n")); err != nil {
		t.Fatal(err)
	}
	var text []byte
	lines := 0
	err = Read(t.Context(), path, Query{Format: K8sFile, Tail: -1}, func(l Line) error {
		text = append(text, l.Text...)
		if !l.Partial {
			lines++
		}
		return nil
	})
	if err != nil || lines != 2 || string(text) != line+"next" {
		t.Errorf("%d lines, %d bytes, %v", lines, len(text), err)
	}
}

// Rotation must lose nothing that is within the files kept, and the files must
// not grow beyond the limit.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Options{Format: K8sFile, MaxSize: 2000, MaxFile: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&want, "stdout:line %d\n", i)
		if err := w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := readBack(t, path, Query{Format: K8sFile, Tail: -1}); got != want.String() {
		t.Error("lines were lost or doubled")
	}
	files := rotated(path)
	if len(files) < 5 {
		t.Errorf("only %d files", len(files))
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 2000 {
			t.Errorf("%s: %v %v", f, info.Size(), err)
		}
	}
}

func TestRotationDropsTheOldest(t *testing.T) {
	for _, keep := range []int{1, 3} {
		path := filepath.Join(t.TempDir(), "log")
		w, err := Create(path, Options{Format: K8sFile, MaxSize: 500, MaxFile: keep})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			if err := w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(rotated(path)); n != keep {
			t.Errorf("keep %d: %d files", keep, n)
		}
		if got := readBack(t, path, Query{Format: K8sFile, Tail: 1}); got != "stdout:line 199\n" {
			t.Errorf("keep %d: last line %q", keep, got)
		}
	}
}

// A follower sees every line once, while the file is rotated under it.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Options{Format: K8sFile, MaxSize: 300, MaxFile: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var ended atomic.Bool
	go func() {
		for i := range 300 {
			_ = w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i))
			if i%20 == 0 {
				time.Sleep(pollInterval + 10*time.Millisecond)
			}
		}
		_ = w.Close()
		ended.Store(true)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n := 0
	err = Read(ctx, path, Query{Format: K8sFile, Tail: -1, Follow: true, Ended: ended.Load}, func(l Line) error {
		if want := fmt.Sprintf("line %d", n); string(l.Text) != want {
			return fmt.Errorf("got %q, want %q", l.Text, want)
		}
		n++
		return nil
	})
	if err != nil || n != 300 {
		t.Errorf("%d lines, %v", n, err)
	}
}

func TestDamagedLinesAreSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "garbage\n2026-01-02T03:04:05Z stdout F good\nx y z\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, path, Query{Format: K8sFile, Tail: -1}); got != "stdout:good\n" {
		t.Errorf("read %q", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05Z stdout F text"), true)
	f.Add([]byte(`{"log":"x\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}`), false)
	f.Fuzz(func(_ *testing.T, raw []byte, k8s bool) {
		format := JSONFile
		if k8s {
			format = K8sFile
		}
		decode(raw, format)
	})
}

// A reader that does not follow sees every line once, while the files are
// renamed under it.
func TestReadWhileRotating(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Options{Format: K8sFile, MaxSize: 120, MaxFile: 300})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 400 {
			_ = w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i))
		}
	}()
	for reads := 0; ; reads++ {
		n := -1
		err := Read(t.Context(), path, Query{Format: K8sFile, Tail: -1}, func(l Line) error {
			var i int
			if _, err := fmt.Sscanf(string(l.Text), "line %d", &i); err != nil || i != n+1 {
				return fmt.Errorf("%q after %d", l.Text, n)
			}
			n = i
			return nil
		})
		if err != nil {
			<-done
			out, _ := exec.Command("sh", "-c", "cd $1; for f in $(ls -v log*); do echo $f; cat $f; done | tail -20", "sh", filepath.Dir(path)).CombinedOutput()
			t.Fatalf("read %d: %v %s", reads, err, out)
		}
		select {
		case <-done:
			if n != 399 && reads > 0 {
				continue // it began before the last line
			}
			return
		default:
		}
	}
}

// JSON holds characters: one that arrives in two pieces stays one.
func TestCharactersStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Options{Format: JSONFile})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a", MaxPart-1) + strings.Repeat("ä€😀", 2000) + "\n"
	for i := range len(text) { // the worst of all pieces: single bytes, from where they are cut
		if i < MaxPart-1 {
			continue
		}
		if i == MaxPart-1 {
			err = w.Write(Stdout, []byte(text[:i]))
		} else {
			err = w.Write(Stdout, []byte(text[i-1:i]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(Stdout, []byte(text[len(text)-1:]+text+"\xe2\x82")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := "stdout:" + text + "stdout:" + text + "stdout:\ufffd\ufffd"
	if got := strings.ReplaceAll(readBack(t, path, Query{Format: JSONFile, Tail: -1}), "stdout:", ""); got != strings.ReplaceAll(want, "stdout:", "") {
		t.Errorf("%d bytes, want %d; %q", len(got), len(want), got[max(0, len(got)-40):])
	}
}

// A log that cannot be rotated is written on.
func TestRotationThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.MkdirAll(path+".1/full", 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := Create(path, Options{Format: K8sFile, MaxSize: 100, MaxFile: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || bytes.Count(b, []byte("\n")) != 10 {
		t.Errorf("%q, %v", b, err)
	}
}
