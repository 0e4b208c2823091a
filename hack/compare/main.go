// Command compare runs the same questions inside containers of several engines, each
// with its own defaults, and prints what they answer as a table of Markdown:
//
//	compare -burrow bin/burrow -probe PROBE -rootfs DIR -image NAME
//
// It runs as an unprivileged user with sub-IDs; hack/compare.sh prepares all that and
// puts the table into docs/security.md (make compare). An engine that is not there, or
// does not start, is listed as not measured and why.
package main

import (
	"context"
	_ "embed" // the questions
	"flag"
	"fmt"
	"os"
	"os/signal"
)

//go:embed inside.sh
var questions string

func main() {
	var g ground
	flag.StringVar(&g.burrow, "burrow", "bin/burrow", "the executable")
	flag.StringVar(&g.probe, "probe", "", "the compiled probe")
	flag.StringVar(&g.rootfs, "rootfs", "", "an unpacked root filesystem with /probe")
	flag.StringVar(&g.image, "image", "", "the same as an image that burrow, podman and docker have")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, g); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func compare(ctx context.Context, g ground) error {
	var seen []column
	for _, e := range engines(g) {
		c := column{engine: e}
		c.measure(ctx)
		seen = append(seen, c)
		if c.why != "" {
			fmt.Fprintf(os.Stderr, "%s: not measured: %s\n", e.name, c.why)
		}
	}
	if seen[0].why != "" {
		return fmt.Errorf("%s: %s", seen[0].name, seen[0].why)
	}
	return write(os.Stdout, seen)
}
