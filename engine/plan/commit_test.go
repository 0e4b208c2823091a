package plan

import (
	"bytes"
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
	b.WriteString("tar follows\n")
	got, rest, err := ReadCommit(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if tail, _ := io.ReadAll(rest); string(tail) != "tar follows\n" {
		t.Errorf("the rest is %q", tail)
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
