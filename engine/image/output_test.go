package image

import (
	"testing"

	"go.podman.io/image/v5/types"
)

func TestCompressionLevel(t *testing.T) {
	nine := 9
	for _, tt := range []struct {
		name string
		o    Output
		want int // 0 is the algorithm's own
	}{
		{"default", Output{}, gzipLevel},
		{"gzip", Output{Compression: "gzip"}, gzipLevel},
		{"asked for", Output{Level: &nine}, 9},
		{"zstd", Output{Compression: "zstd"}, 0},
		{"zstd, asked for", Output{Compression: "zstd", Level: &nine}, 9},
	} {
		var sys types.SystemContext
		if _, err := tt.o.apply(&sys); err != nil {
			t.Fatal(err)
		}
		got := 0
		if sys.CompressionLevel != nil {
			got = *sys.CompressionLevel
		}
		if got != tt.want {
			t.Errorf("%s: level %d, want %d", tt.name, got, tt.want)
		}
	}
}
