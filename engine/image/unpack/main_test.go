package unpack

import (
	"context"
	"os"
	"testing"

	"github.com/burrow-run/burrow/internal/nstest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "attack" { // TestWorkerIsConfined
		attack()
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "naive" { // TestCorpusHasTeeth
		naive(os.Args[2], os.Stdin)
		os.Exit(0)
	}
	if os.Args[0] == WorkerName {
		os.Exit(Worker(context.Background(), os.Args))
	}
	os.Exit(nstest.Main(m))
}
