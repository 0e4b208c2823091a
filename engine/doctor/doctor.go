package doctor

import (
	"context"
	"strings"
	"sync"

	"github.com/burrow-run/burrow/internal/paths"
)

// Status is how much a finding matters.
type Status string

// The three answers, see the package comment.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is the answer to one question.
type Finding struct {
	Name   string `json:"name"`   // what was looked at
	Status Status `json:"status"` // how much it matters
	Detail string `json:"detail"` // what was found
	Cost   string `json:"cost,omitempty"`
	Fix    string `json:"fix,omitempty"` // a command, or else a sentence
}

// Env is what the doctor must be told: everything it may not take from the
// process's own environment.
type Env struct {
	User string // login name of UID
	UID  int    // the invoking user
	Dirs paths.Dirs

	Path       string // PATH, to look up the helpers
	RuntimeDir string // XDG_RUNTIME_DIR as set, perhaps empty
	BusAddress string // DBUS_SESSION_BUS_ADDRESS as set, perhaps empty
	Network    string // the default network: "slirp4netns" (also when empty) or "pasta"

	// Root is put before every path of the host that is read. It is empty but
	// in tests.
	Root string
}

// check asks one or more related questions.
type check func(context.Context, *host) []Finding

// checks is the order of the report.
func checks() []check {
	return []check{
		checkKernel, checkUserNamespace, checkNamespaces, checkLimits,
		checkSubIDs, checkMapHelpers,
		checkRuntimeDir, checkDirs, checkOverlay,
		checkTun, checkNetHelpers,
		checkCgroup, checkSystemd, checkLinger,
		checkSeccomp, checkLandlock, checkSELinux, checkAppArmor,
		checkProc, checkNested, checkLoginUID,
	}
}

// Check asks all questions and returns the findings in a fixed order.
func Check(ctx context.Context, env Env) []Finding {
	return run(ctx, env, checks())
}

func run(ctx context.Context, env Env, list []check) []Finding {
	h := newHost(env)
	found := make([][]Finding, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		wg.Go(func() { found[i] = c(ctx, h) })
	}
	wg.Wait()
	var out []Finding
	for _, list := range found {
		for _, f := range list {
			if env.UID == 0 { // who may have no sudo
				f.Fix = strings.ReplaceAll(f.Fix, "sudo ", "")
			}
			out = append(out, f)
		}
	}
	return out
}

// CanRun says whether `burrow run IMAGE` should work: nothing failed.
func CanRun(found []Finding) bool {
	for _, f := range found {
		if f.Status == Fail {
			return false
		}
	}
	return true
}

func good(name, detail string) []Finding {
	return []Finding{{Name: name, Status: OK, Detail: detail}}
}

func bad(name string, s Status, detail, cost, fix string) []Finding {
	return []Finding{{Name: name, Status: s, Detail: detail, Cost: cost, Fix: fix}}
}
