package plan

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestCommitIsOneLineAndTheRest(t *testing.T) {
	want := Commit{Parent: "abc", Name: "n:t", Changes: []string{"CMD a\nb"}, Config: Config{Env: []string{"A=b\nc"}}}
	var b bytes.Buffer
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	chunks := Chunks{&b}
	layer := strings.Repeat("tar follows\n", 200_000)
	for _, part := range []string{layer[:10], "", layer[10:]} {
		if n, err := io.WriteString(chunks, part); err != nil || n != len(part) {
			t.Fatal(n, err)
		}
	}
	if err := chunks.Close(); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	got, rest, err := ReadCommit(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if tail, err := io.ReadAll(rest); err != nil || string(tail) != layer {
		t.Errorf("%d bytes, %v", len(tail), err)
	}
	// Wherever it is cut off, that is noticed.
	line := strings.IndexByte(whole, '\n') + 1
	for _, end := range []int{line, line + 2, line + 4, line + 9, line + 14, len(whole) - 5, len(whole) - 4, len(whole) - 1} {
		_, rest, err := ReadCommit(strings.NewReader(whole[:end]))
		if err != nil {
			t.Fatal(end, err)
		}
		if _, err := io.ReadAll(rest); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off at %d of %d: %v", end, len(whole), err)
		}
	}
}

func TestCommitRefusesWhatIsNone(t *testing.T) {
	for _, bad := range []string{"", "{}", "no json\n", strings.Repeat("x", maxCommit+10) + "\n"} {
		if _, _, err := ReadCommit(strings.NewReader(bad)); err == nil {
			t.Errorf("%.20q… was accepted", bad)
		}
	}
	if err := (Commit{Message: strings.Repeat("x", maxCommit)}).Write(io.Discard); err == nil {
		t.Error("a line that nobody reads was written")
	}
}
