package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table. ours and theirs are what the ratio compares.
type row struct {
	title   string
	budget  string  // in words
	limit   float64 // the ratio that holds the budget; 0: judge by verdict
	peer    string  // contender that ours is divided by
	samples []sample
	note    string
	verdict string // "" means by limit
}

func measure(ctx context.Context, s setup, only string) []row {
	var rows []row
	for _, r := range []struct {
		title string
		do    func(context.Context, setup) row
	}{
		{"start of the executable", startRow},
		{"run --rm --network=none, small image", runRow},
		{"run --rm --network=none, 171 MB image", runBigRow},
		{"run --rm, default network", networkRow},
		{"first run in a fresh slice, 171 MB image", freshRow},
		{"isolated containers at once, 65,536 sub-IDs", atOnceRow},
		{"32 runs in parallel", parallelRow},
		{"exec CTR true", execRow},
		{"run -d, then rm -f", lifeRow},
		{"ps -a", listRow},
		{"idle memory per detached container, one port", memoryRow},
		{"import of a 171 MB tar", importRow},
		{"load of a docker-archive", loadRow},
		{"pull of a 171 MB image", pullRow},
		{"pull of a 509 MB image, five layers", pullManyRow},
		{"the same pull with 80 % of it present", pullRestRow},
		{"push of a 171 MB image", pushRow},
		{"images", imagesRow},
	} {
		if !strings.Contains(r.title, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", r.title)
		row := r.do(ctx, s)
		row.title = r.title
		rows = append(rows, row)
	}
	return rows
}

func (s setup) ours(args ...string) []string {
	return append([]string{s.burrow, "run", "--rm"}, args...)
}

func podman(args ...string) []string {
	return append([]string{"podman", "run", "--rm"}, args...)
}

func startRow(ctx context.Context, s setup) row {
	return row{
		budget: "≤ 1.5 × runc", limit: 1.5, peer: "runc",
		samples: race(ctx, []contender{
			command("burrow", s.burrow, "version"),
			command("runc", "runc", "--version"),
			command("crun", "crun", "--version"),
			command("podman", "podman", "--version"),
		}, 3, s.rounds*2),
	}
}

func runRow(ctx context.Context, s setup) row {
	n := 0
	id := func(runtime string) func(int) []string {
		n++
		return func(i int) []string {
			name := fmt.Sprintf("bench-%d-%d-%d", os.Getpid(), n, i)
			return []string{runtime, "--root", os.TempDir() + "/bench-" + strconv.Itoa(os.Getuid()), "run", "-b", s.bundle, name}
		}
	}
	r := row{
		budget: "≤ 0.30 × podman, then ≤ 2 × crun", limit: 0.30, peer: "podman",
		samples: race(ctx, []contender{
			command("burrow", s.ours("--network=none", s.small, "true")...),
			command("podman", podman("--network=none", s.small, "true")...),
			fresh("crun", id("crun")),
			fresh("runc", id("runc")),
			command("bwrap", "bwrap", "--unshare-all", "--ro-bind", s.bundle+"/rootfs", "/",
				"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/true"),
		}, 3, s.rounds),
	}
	ours, theirs, crun := r.samples[0].median(), r.samples[1].median(), r.samples[2].median()
	if ours > 0 && theirs > 0 && crun > 0 { // two budgets, two answers
		x := float64(ours) / float64(crun)
		r.note = fmt.Sprintf("%.1f × crun", x)
		r.verdict = yes(float64(ours) <= r.limit*float64(theirs)) + ", then " + yes(x <= 2)
	}
	return r
}

func runBigRow(ctx context.Context, s setup) row {
	return row{
		budget: "≤ 0.30 × podman", limit: 0.30, peer: "podman",
		samples: race(ctx, []contender{
			command("burrow", s.ours("--network=none", s.big, "true")...),
			command("podman", podman("--network=none", s.big, "true")...),
		}, 3, s.rounds),
	}
}

func networkRow(ctx context.Context, s setup) row {
	return row{
		budget: "≤ 0.35 × podman", limit: 0.35, peer: "podman",
		samples: race(ctx, []contender{
			command("burrow", s.ours(s.big, "true")...),
			command("podman", podman(s.big, "true")...),
		}, 3, s.rounds),
	}
}

// talker is the end of the command line of a guest.
func talker(image string) []string {
	return []string{"-i", "--network=none", image, "sh", "-c", "echo up; cat"}
}

// freshRow keeps every container running, so that the next one cannot have a
// slice that is in use, and asks how long each took until it spoke. podman
// reuses the re-owned image of equal maps, so its maps differ in size.
func freshRow(ctx context.Context, s setup) row {
	warm := sample{name: "burrow, warm"}
	for range 6 {
		g, err := board(ctx, s.ours(talker(s.big)...)...)
		if err != nil {
			warm.err = err
			break
		}
		warm.times = append(warm.times, g.took)
		g.leave()
	}
	first := sample{name: "burrow"}
	var guests []*guest
	for range 12 {
		g, err := board(ctx, s.ours(talker(s.big)...)...)
		if err != nil {
			first.err = err
			break
		}
		guests = append(guests, g)
		first.times = append(first.times, g.took)
	}
	for _, g := range guests {
		g.leave()
	}
	auto := sample{name: "podman"}
	for i := range 3 {
		size := 40000 + i + os.Getpid()%20000
		g, err := board(ctx, podman(append([]string{"--userns=auto:size=" + strconv.Itoa(size)}, talker(s.big)...)...)...)
		if err != nil {
			auto.err = err
			break
		}
		auto.times = append(auto.times, g.took)
		g.leave()
	}
	r := row{
		budget: "within 10 ms of a warm run", peer: "podman",
		samples: []sample{first, auto, warm},
		note:    "until the payload speaks; podman: --userns=auto, maps of a new size",
	}
	r.verdict = "no"
	if first.err == nil && warm.err == nil && first.median()-warm.median() <= 10*time.Millisecond {
		r.verdict = "yes"
	}
	return r
}

// atOnceRow counts.
func atOnceRow(ctx context.Context, s setup) row {
	const most = 70
	ours, err := fill(ctx, most, s.ours(talker(s.big)...))
	theirs, _ := fill(ctx, 4, podman(append([]string{"--userns=auto"}, talker(s.big)...)...))
	r := row{budget: "≥ 60", note: fmt.Sprintf("burrow **%d**, podman --userns=auto **%d**", ours, theirs), verdict: "no"}
	if ours < most && err != nil {
		r.note += fmt.Sprintf("; the next one: %v", err)
	}
	if ours >= 60 {
		r.verdict = "yes"
	}
	return r
}

// fill boards guests until one is refused.
func fill(ctx context.Context, most int, argv []string) (int, error) {
	var guests []*guest
	defer func() {
		for _, g := range guests {
			g.leave()
		}
	}()
	for range most {
		g, err := board(ctx, argv...)
		if err != nil {
			return len(guests), err
		}
		guests = append(guests, g)
	}
	return len(guests), nil
}

func parallelRow(ctx context.Context, s setup) row {
	together := func(name string, argv []string) contender {
		return contender{name, func(ctx context.Context) (time.Duration, error) {
			took, failed, err := crowd(ctx, 32, func(int) []string { return argv })
			if failed > 0 {
				return 0, fmt.Errorf("%d of 32 failed: %w", failed, err)
			}
			return took, nil
		}}
	}
	return row{
		budget: "≤ 0.25 × podman, no failures", limit: 0.25, peer: "podman",
		samples: race(ctx, []contender{
			together("burrow", s.ours("--network=none", s.big, "true")),
			together("podman", podman("--network=none", s.big, "true")),
		}, 1, max(3, s.rounds/4)),
	}
}

// forget takes every image out of both stores that shares the layer of the big
// one, and others besides: a store that has the layer would have nothing to do.
func (s setup) forget(others ...string) []string {
	names := strings.Join(append([]string{s.big, importName, loadName}, others...), " ")
	return []string{"sh", "-c", "for i in " + names + "; do podman rmi -f $i; " + s.burrow + " rmi $i; done"}
}

// remember brings the big image back.
func (s setup) remember(ctx context.Context) error {
	for _, argv := range [][]string{s.forget(), {"podman", "import", "-q", s.tar, s.big}, {s.burrow, "import", s.tar, s.big}} {
		if _, err := timed(ctx, argv...); err != nil && argv[0] != "sh" {
			return err
		}
	}
	return nil
}

const (
	importName = "localhost/bench-import:latest"
	loadName   = "localhost/bench-load:latest"
)

func importRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman", note: "into a store that lacks it"}
	dir, err := os.MkdirTemp("", "burrow-bench-untar-")
	if err != nil {
		r.samples = []sample{{name: "burrow", err: err}}
		return r
	}
	defer os.RemoveAll(dir)
	untar := command("untar", "tar", "--exclude=./dev/*", "-C", dir, "-xf", s.tar)
	r.samples = race(ctx, []contender{
		prepared(command("burrow", s.burrow, "import", s.tar, importName), s.forget()...),
		prepared(command("podman", "podman", "import", "-q", s.tar, importName), s.forget()...),
		prepared(untar, "sh", "-c", "chmod -R u+w "+dir+"; rm -rf "+dir+"/*"),
	}, 1, 3)
	if err := s.remember(ctx); err != nil {
		r.note += "; " + err.Error()
	}
	return r
}

func loadRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman", note: "into a store that lacks it"}
	archive := fmt.Sprintf("%s/burrow-bench-%d.tar", os.TempDir(), os.Getpid())
	defer os.Remove(archive)
	for _, argv := range [][]string{
		{"podman", "tag", s.big, loadName},
		{"podman", "save", "-q", "-o", archive, loadName},
	} {
		if _, err := timed(ctx, argv...); err != nil {
			r.samples = []sample{{name: "podman", err: err}}
			return r
		}
	}
	r.samples = race(ctx, []contender{
		prepared(command("burrow", s.burrow, "load", "-i", archive), s.forget()...),
		prepared(command("podman", "podman", "load", "-q", "-i", archive), s.forget()...),
	}, 1, 3)
	if err := s.remember(ctx); err != nil {
		r.note += "; " + err.Error()
	}
	return r
}
