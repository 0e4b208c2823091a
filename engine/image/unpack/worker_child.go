package unpack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// softMemory is when the garbage collector starts to work hard; confine.c sets
// the hard limit.
const softMemory = 192 << 20

// Worker is the whole life of the process that [InWorker] starts. It has been
// confined by confine.c before Go started. Worker returns the exit code.
func Worker(ctx context.Context, args []string) int {
	out := os.NewFile(fdReport, "report")
	rep := work(ctx, args)
	if err := json.NewEncoder(out).Encode(rep); err != nil {
		fmt.Fprintln(os.Stderr, "write report:", err)
		return 1
	}
	return 0
}

func work(ctx context.Context, args []string) report {
	var o order
	if len(args) != 2 || json.Unmarshal([]byte(args[1]), &o) != nil {
		return failed(errors.New("bug: the unpacker was started without order"))
	}
	// The zone file would be looked for in the layer.
	time.Local = time.UTC
	debug.SetMemoryLimit(softMemory)
	if o.Plain {
		if err := Plain(ctx, os.NewFile(fdSplit, "plain"), os.Stdin, o.Limits); err != nil {
			return failed(err)
		}
		return report{}
	}
	root := os.NewFile(fdRoot, "layer")
	defer root.Close()
	opts := Options{Limits: o.Limits, IgnoreChown: o.IgnoreChown, FilesOnly: o.FilesOnly, Verified: o.Verified, Owned: o.Owned, noUmask: true}
	if o.Split {
		opts.TarSplit = os.NewFile(fdSplit, "tar-split")
	}
	layer := io.Reader(os.Stdin)
	if o.Length > 0 {
		layer = io.LimitReader(layer, o.Length)
	}
	res, err := Unpack(ctx, root, layer, opts)
	if err != nil {
		return failed(err)
	}
	return report{Result: res}
}

func failed(err error) report {
	return report{Kind: kindOf(err), Error: err.Error()}
}
