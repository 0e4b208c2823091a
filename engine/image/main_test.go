package image

import (
	"context"
	"os"
	"testing"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/internal/nstest"
)

func TestMain(m *testing.M) {
	if os.Args[0] == unpack.WorkerName {
		os.Exit(unpack.Worker(context.Background(), os.Args))
	}
	os.Exit(nstest.Main(m))
}
