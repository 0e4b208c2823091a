package hint

import (
	"errors"
	"fmt"
	"testing"
)

func TestOf(t *testing.T) {
	base := errors.New("no sub-IDs")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"none", base, ""},
		{"direct", New(base, "add some"), "add some"},
		{"wrapped", fmt.Errorf("start: %w", New(base, "add some")), "add some"},
		{"outer wins", New(New(base, "inner"), "outer"), "outer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.want {
				t.Errorf("Of() = %q, want %q", got, tt.want)
			}
		})
	}
	if New(nil, "x") != nil {
		t.Error("New(nil) must stay nil")
	}
	if !errors.Is(New(base, "x"), base) {
		t.Error("a hinted error must unwrap")
	}
}
