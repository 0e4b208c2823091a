package engine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

// chunks delivers its parts one Read at a time, then the error.
type chunks struct {
	parts [][]byte
	err   error
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.parts) == 0 {
		return 0, c.err
	}
	n := copy(p, c.parts[0])
	c.parts = c.parts[1:]
	return n, nil
}

// typed reads everything through a detachReader.
func typed(keys []byte, err error, parts ...[]byte) (string, error) {
	var out bytes.Buffer
	d := &detachReader{in: &chunks{parts, err}, keys: keys}
	_, e := io.Copy(&out, d)
	return out.String(), e
}

func TestDetachKeys(t *testing.T) {
	for _, c := range []struct {
		keys, in, want string
		detached       bool
	}{
		{"PQ", "abc", "abc", false},
		{"PQ", "abPQcd", "ab", true},
		{"PQ", "aPbQ", "aPbQ", false},
		{"PQ", "PPQ", "P", true},
		{"PQ", "abP", "abP", false},
		{"PQ", "PQ", "", true},
		{"P", "xPy", "x", true},
		{"PPQ", "PPPQ", "P", true},
		{"PPQ", "PPxPPQ", "PPx", true},
		{"PQPR", "PQPQPR", "PQ", true},
		{"PQPR", "PQPxPQPR", "PQPx", true},
	} {
		// Wherever the reads begin and end, the same must come out.
		for i := range len(c.in) + 1 {
			for j := i; j <= len(c.in); j++ {
				got, err := typed([]byte(c.keys), io.EOF, []byte(c.in[:i]), []byte(c.in[i:j]), []byte(c.in[j:]))
				if got != c.want || errors.Is(err, errDetached) != c.detached {
					t.Errorf("keys %q, typed %q|%q|%q: %q %v, want %q %v", c.keys, c.in[:i], c.in[i:j], c.in[j:], got, err, c.want, c.detached)
				}
			}
		}
	}
	broken := errors.New("broken")
	if got, err := typed([]byte("PQ"), broken, []byte("xP")); got != "xP" || !errors.Is(err, broken) {
		t.Errorf("%q %v", got, err)
	}
}

// FuzzDetachKeys compares with a search in the whole text.
func FuzzDetachKeys(f *testing.F) {
	f.Add([]byte("PQPR"), []byte("PQPQPR"), uint8(3))
	f.Add([]byte{16, 17}, []byte("a\x10\x11"), uint8(1))
	f.Fuzz(func(t *testing.T, keys, in []byte, size uint8) {
		if len(keys) == 0 || len(keys) > 8 || len(in) > 1000 {
			t.Skip()
		}
		want, _, detached := bytes.Cut(in, keys)
		parts := slices.Collect(slices.Chunk(bytes.Clone(in), int(size)+1))
		got, err := typed(keys, io.EOF, parts...)
		if got != string(want) || errors.Is(err, errDetached) != detached {
			t.Errorf("keys %q, typed %q: %q %v, want %q %v", keys, in, got, err, want, detached)
		}
	})
}

func TestPreservedDescriptors(t *testing.T) {
	at := func(number int, cloexec bool) {
		f, err := os.Open(os.DevNull)
		must(t, err)
		defer f.Close()
		flags := 0
		if cloexec {
			flags = unix.O_CLOEXEC
		}
		must(t, unix.Dup3(int(f.Fd()), number, flags))
		t.Cleanup(func() { unix.Close(number) })
	}
	at(200, false)
	at(203, false)
	at(204, true)
	r := &run{}
	r.spec.Stdio.PreserveFDs = []int{200, 203}
	must(t, r.preserved())
	got := r.config.PreserveFDs
	if len(got) != 201 || got[197] == nil || got[198] != nil || got[199] != nil || got[200] == nil || got[0] != nil {
		t.Errorf("%d descriptors", len(got))
	}
	for _, bad := range []int{204, 205} { // our own, and none at all
		r := &run{}
		r.spec.Stdio.PreserveFDs = []int{bad}
		if err := r.preserved(); err == nil || hint.Of(err) == "" {
			t.Errorf("%d: %v", bad, err)
		}
	}
}

func TestStandardStreams(t *testing.T) {
	in, out, errs := os.Stdin, os.Stdout, os.Stderr
	for name, c := range map[string]struct {
		change       func(r *run)
		in, out, err bool
	}{
		"as by default": {func(r *run) { r.spec.Stdio.Attach.Stdout, r.spec.Stdio.Attach.Stderr = true, true }, false, true, true},
		"interactive":   {func(r *run) { r.spec.Stdio.Interactive = true }, true, false, false},
		"attach stdin":  {func(r *run) { r.spec.Stdio.Attach.Stdin = true }, true, false, false},
		"no log":        {func(r *run) { r.spec.Stdio.Attach.Stdout, r.spec.Log.Driver = true, "none" }, false, false, false},
	} {
		r := &run{opts: Options{Stdin: in, Stdout: out, Stderr: errs}}
		c.change(r)
		must(t, r.stdio())
		got := [3]bool{r.config.Stdin == in, r.config.Stdout == out, r.config.Stderr == errs}
		if got != [3]bool{c.in, c.out, c.err} {
			t.Errorf("%s: %v", name, got)
		}
		if r.config.Stdin == nil || r.config.Stdout == nil || r.config.Stderr == nil {
			t.Errorf("%s: a stream is closed, and the next file opened would take its place", name)
		}
		r.cleanUp()
	}
}
