package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// setup is where run.sh put things.
type setup struct {
	burrow string // the executable
	bundle string // an OCI bundle with an unpacked busybox
	tar    string // the Debian root filesystem
	small  string // names of the images, the same in both engines
	big    string
	rounds int
	many   int // containers that ps lists
	images int // images that images lists
}

func main() {
	var s setup
	flag.StringVar(&s.burrow, "burrow", "bin/burrow", "`executable` to measure")
	flag.StringVar(&s.bundle, "bundle", "", "OCI bundle `directory` for crun, runc and bubblewrap")
	flag.StringVar(&s.tar, "tar", "/var/tmp/burrow-test/debian.tar", "root filesystem to import")
	flag.StringVar(&s.small, "small", "localhost/bench-busybox:latest", "small `image`")
	flag.StringVar(&s.big, "big", "localhost/bench-debian:latest", "`image` of 171 MB")
	flag.IntVar(&s.rounds, "rounds", 20, "samples of each contender")
	flag.IntVar(&s.many, "many", 1000, "`containers` that ps lists")
	flag.IntVar(&s.images, "images", 500, "`images` that images lists")
	only := flag.String("row", "", "measure only rows whose title contains `text`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Print(render(measure(ctx, s, *only)))
}
