package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/burrow-run/burrow/internal/sys"
)

// answers count what burrow whois has said.
type answers struct {
	Calls  int `json:"calls"`
	Asked  int `json:"asked"`  // processes, once for each call
	Gone   int `json:"gone"`   // of them, that ended before the answer could be checked
	Marked int `json:"marked"` // of them, whose container is known
}

// answer is the part of burrow whois --format json that is checked.
type answer struct {
	PID  int `json:"pid"`
	User struct {
		UID *uint32 `json:"uid"`
	} `json:"user"`
	Containers []struct {
		Name string  `json:"name"`
		UID  *uint32 `json:"uid"`
	} `json:"containers"`
}

// ask asks as the user, over and over, for all processes that the last look has found
// to be his.
func (w *watcher) ask(ctx context.Context, u user, burrow string) {
	for ctx.Err() == nil {
		w.mu.Lock()
		asked := w.latest[u.name]
		w.mu.Unlock()
		if len(asked) == 0 {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		begin := time.Now()
		list, err := whois(ctx, u, burrow, asked)
		if ctx.Err() != nil {
			return
		}
		w.check(u, asked, list, err)
		time.Sleep(time.Since(begin)) // the processor is for what is watched, too
	}
}

func whois(ctx context.Context, u user, burrow string, asked []process) ([]answer, error) {
	args := []string{"whois", "--format", "json"}
	for _, p := range asked {
		args = append(args, strconv.Itoa(p.pid))
	}
	cmd := exec.CommandContext(ctx, burrow, append(args, "4294967295")...) // two at least: an array
	cmd.Env = []string{"HOME=" + u.home, "PATH=/usr/bin:/bin", "USER=" + u.name, fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", u.uid)}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: u.groups}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var list []answer
	return list, json.Unmarshal(out, &list)
}

// check compares answers with what /proc has said, for those that live yet.
func (w *watcher) check(u user, asked []process, list []answer, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Whois.Calls++
	if err != nil || len(list) != len(asked)+1 {
		w.violation(ruleWhois, fmt.Sprintf("%d answers for %d: %v", len(list), len(asked), err))
		return
	}
	for i, p := range asked {
		w.report.Whois.Asked++
		wrong := list[i].wrong(u, p)
		if !(sys.ProcID{PID: p.pid, Start: p.start}).Alive() {
			w.report.Whois.Gone++
			continue
		}
		if p.mark != "" {
			w.report.Whois.Marked++
		}
		if wrong != "" {
			w.violation(ruleWhois, p.String()+": "+wrong)
		}
	}
}

// wrong says what is wrong with an answer, or "".
func (a answer) wrong(u user, p process) string {
	if a.PID != p.pid {
		return "it says that there is no such process"
	}
	if a.User.UID == nil || *a.User.UID != u.uid {
		return "it names another user"
	}
	_, container, marked := strings.Cut(p.mark, "/")
	switch {
	case !marked:
		return ""
	case container == notContained:
		if len(a.Containers) > 0 {
			return "it names a container"
		}
		return ""
	case len(a.Containers) != 1 || a.Containers[0].Name != container:
		return fmt.Sprintf("it names %+v, not %s", a.Containers, container)
	}
	if uid, ok := p.uidMap.Container(p.uids[1]); !ok || a.Containers[0].UID == nil || *a.Containers[0].UID != uid {
		return fmt.Sprintf("it names another UID inside than %d", uid)
	}
	return ""
}
