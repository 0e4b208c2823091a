// Command watch looks at every process of the machine, twenty times a second, and
// says which of Burrow's cannot be put down to one user. It runs as root, inside.
//
//	watch -users alice,carol -until /run/stop >report.json
//	├─ look        process.go   /proc of all processes → those of engine and containers
//	├─ judge       rules.go     four witnesses, which must name the same user (A1 to A5)
//	└─ ask         whois.go     burrow whois, as each user, for all of his processes,
//	                            over and over; compared with what /proc says
//
// A payload is marked by BURROW_MARK=USER/CONTAINER in its environment, which is how
// watch knows the right answer without asking Burrow.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what watch prints at its end.
type report struct {
	Seconds   float64        `json:"seconds"`
	Looking   float64        `json:"looking"` // seconds of them
	Ticks     int            `json:"ticks"`
	Observed  int            `json:"observed"`  // processes judged, once for each tick
	Processes int            `json:"processes"` // different ones
	ByUser    map[string]int `json:"by_user"`   // of Observed
	// Violations of each rule, and the first of them in words.
	Violations map[string]int `json:"violations"`
	Examples   []string       `json:"examples,omitempty"`
	Whois      answers        `json:"whois"`
	// Entries are the processes that began something in a container: what the trail
	// must have a beginning and an end of.
	Entries []entry `json:"entries"`
}

// entry is a marked process whose parent is not in its PID namespace.
type entry struct {
	User      string `json:"user"`
	Container string `json:"container"`
	PID       int    `json:"pid"`
	Start     uint64 `json:"start"`
	Command   string `json:"command"`
}

// maxExamples bounds what a broken run prints.
const maxExamples = 40

func main() {
	names := flag.String("users", "", "whose processes: NAME,NAME")
	limit := flag.Duration("for", time.Minute, "how long at most")
	stop := flag.String("until", "", "the file that ends it by being there")
	rate := flag.Int("hz", 20, "looks per second")
	burrow := flag.String("burrow", "/usr/local/bin/burrow", "the executable that is asked")
	flag.Parse()
	w := &watcher{
		seen: map[procID]bool{}, entries: map[procID]entry{},
		report: report{Violations: map[string]int{}, ByUser: map[string]int{}, Entries: []entry{}},
	}
	if err := w.run(strings.Split(*names, ","), *limit, *stop, *rate, *burrow); err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1) //nolint:forbidigo // a main of its own
	}
}

type watcher struct {
	mu      sync.Mutex // of what follows
	latest  map[string][]process
	report  report
	seen    map[procID]bool
	entries map[procID]entry
}

func (w *watcher) run(names []string, limit time.Duration, stop string, rate int, burrow string) error {
	users, err := findUsers(names)
	if err != nil {
		return err
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), limit) //nolint:forbidigo // a main of its own
	defer cancel()
	var asking sync.WaitGroup
	for _, u := range users {
		asking.Go(func() { w.ask(ctx, u, burrow) })
	}
	l := newLooker(users)
	for ctx.Err() == nil {
		look := time.Now()
		w.note(users, l.look())
		took := time.Since(look)
		w.report.Looking += took.Seconds()
		if _, err := os.Stat(stop); err == nil {
			cancel()
		}
		// At least half of the time is for what is watched.
		pause := max(took, time.Second/time.Duration(rate)-took)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	asking.Wait()
	w.report.Seconds, w.report.Processes = time.Since(begin).Seconds(), len(w.seen)
	for _, e := range w.entries {
		w.report.Entries = append(w.report.Entries, e)
	}
	return json.NewEncoder(os.Stdout).Encode(w.report)
}

// note judges what one look has found.
func (w *watcher) note(users []user, ours []process) {
	latest, pids := map[string][]process{}, map[int]int{1: 1}
	for _, p := range ours {
		pids[p.pid] = p.pids
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Ticks++
	for _, p := range ours {
		whose, found := judge(users, p)
		w.report.Observed++
		w.report.ByUser[whose]++
		w.seen[p.id()] = true
		for _, v := range found {
			w.violation(v.rule, p.String()+": "+v.text)
		}
		latest[whose] = append(latest[whose], p)
		name, container, marked := strings.Cut(p.mark, "/")
		// A parent that is not known has just ended: so will this one, if it was inside.
		outside, known := pids[p.ppid]
		begins := marked && known && outside < p.pids && container != notContained
		if begins && p.command != "" && !strings.Contains(p.command, " gate:") { // it has got to its payload
			w.entries[p.id()] = entry{User: name, Container: container, PID: p.pid, Start: p.start, Command: p.command}
		}
	}
	w.latest = latest
}

// notContained is the container of a mark for what is in the anchor only.
const notContained = "-"

// violation counts one. The caller has the lock.
func (w *watcher) violation(rule, text string) {
	w.report.Violations[rule]++
	text = rule + ": " + text
	if len(w.report.Examples) < maxExamples && !slices.Contains(w.report.Examples, text) {
		w.report.Examples = append(w.report.Examples, text)
	}
}
