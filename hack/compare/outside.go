package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// process is a container's shell as the host sees it.
type process struct {
	uid int      // whom it runs as
	ids [][2]int // which UIDs are mapped into it: first and count
}

// twoAtOnce starts two containers and looks for their shells among the processes of
// the host. There are none where the host does not run them.
func (c *column) twoAtOnce(ctx context.Context) ([]process, error) {
	marker := fmt.Sprintf("marker-%d-%d", os.Getpid(), time.Now().UnixNano())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.run(ctx, "echo "+marker+"; sleep 4; :")
			ended <- err
		}()
	}
	var found []process
	for begin := time.Now(); len(found) < 2 && time.Since(begin) < 4*time.Second; time.Sleep(50 * time.Millisecond) {
		found = shells(marker)
	}
	return found, errors.Join(<-ended, <-ended)
}

// shells are the processes that are `sh -c` with the marker in the script, and not
// the commands that have it among their arguments.
func shells(marker string) (out []process) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if args := strings.Split(string(b), "\x00"); err != nil || len(args) < 3 || args[0] != "sh" || args[1] != "-c" || !strings.Contains(args[2], marker) {
			continue
		}
		if p, err := look(filepath.Dir(file)); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func look(dir string) (p process, err error) {
	b, err := os.ReadFile(dir + "/status")
	if err != nil {
		return p, err
	}
	_, uid, _ := strings.Cut(string(b), "\nUid:")
	if _, err := fmt.Sscan(uid, &p.uid); err != nil {
		return p, err
	}
	if b, err = os.ReadFile(dir + "/uid_map"); err != nil {
		return p, err
	}
	for line := range strings.Lines(string(b)) {
		var inside, outside, n int
		if _, err := fmt.Sscan(line, &inside, &outside, &n); err == nil {
			p.ids = append(p.ids, [2]int{outside, n})
		}
	}
	return p, nil
}

// inCommon counts the IDs that both have.
func inCommon(a, b process) (n int) {
	for _, x := range a.ids {
		for _, y := range b.ids {
			n += max(0, min(x[0]+x[1], y[0]+y[1])-max(x[0], y[0]))
		}
	}
	return n
}
