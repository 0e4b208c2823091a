package flags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// refusal is a flag that is known but not carried out.
type refusal struct {
	name   string
	short  string
	isBool bool     // may stand without a value, meaning "true"
	fine   []string // values that ask for what happens anyway
	why    string   // "": this version does not do it
	advice string
	values []string
}

func (r *refusal) define(fs *pflag.FlagSet) {
	f := fs.VarPF((*refusedValue)(r), r.name, r.short, "not supported by this version")
	f.Hidden = true
	if r.isBool {
		f.NoOptDefVal = "true"
	}
}

// check returns the error that the flag deserves, if it was given.
func (r *refusal) check(fs *pflag.FlagSet) error {
	if !fs.Changed(r.name) {
		return nil
	}
	for _, v := range r.values {
		if !slices.Contains(r.fine, v) {
			return r.err(v)
		}
	}
	return nil
}

func (r *refusal) err(value string) error {
	flag := "--" + r.name
	if !r.isBool && len(r.fine) > 0 {
		flag += "=" + strings.Trim(spec.Quote(value), `"`)
	}
	err := fmt.Errorf("%s is %w", flag, ErrUnsupported)
	if r.why != "" {
		err = fmt.Errorf("%w: %s", err, r.why)
	}
	if r.advice == "" {
		return err
	}
	return hint.New(err, r.advice)
}

// refusedValue collects values without looking at them: the error is made
// later, where it is one line of ours.
type refusedValue refusal

// Set notes the value.
func (v *refusedValue) Set(s string) error { v.values = append(v.values, s); return nil }

// String returns the default, which is nothing.
func (v *refusedValue) String() string { return "" }

// Type is what the help would show.
func (v *refusedValue) Type() string {
	if v.isBool {
		return "bool"
	}
	return "string"
}

// Reasons that several flags share.
const (
	whyForeground = "the supervisor does not do it yet"
	whyPods       = "there are no pods yet"
	whyBridge     = "it needs a named bridge network"
	whyV1         = "cgroup v2 has no such control"
	whyWindows    = "it is about Windows containers"
	whyIO         = "block device throttling is not passed on"
)

const (
	hintPull = "fetch the image first with burrow pull, then run with --pull=never"
)

func on(name, why, advice string) refusal {
	return refusal{name: name, isBool: true, fine: []string{"false"}, why: why, advice: advice}
}

func no(name, why, advice string, fine ...string) refusal {
	return refusal{name: name, why: why, advice: advice, fine: fine}
}

// refusals lists what podman-run(1) up to 5.x and docker-run(1) up to 28 know
// and this version does not do.
func refusals() []refusal {
	return slices.Concat(refusedLifecycle(), refusedResources(), refusedImage(), refusedRest())
}

func refusedLifecycle() []refusal {
	return []refusal{
		no("pod", whyPods, ""),
		no("pod-id-file", whyPods, ""),
		no("init-ctr", whyPods, ""),
		no("conmon-pidfile", "there is no conmon: the command itself is the supervisor", "--pidfile FILE writes the container's pid"),
		no("hooks-dir", "hooks are programs of the host that an image could aim at", ""),
	}
}

func refusedResources() []refusal {
	return []refusal{
		no("blkio-weight-device", whyIO, "--blkio-weight sets a weight for all devices"),
		no("device-read-bps", whyIO, ""),
		no("device-write-bps", whyIO, ""),
		no("device-read-iops", whyIO, ""),
		no("device-write-iops", whyIO, ""),
		no("device-cgroup-rule", "device nodes cannot be made in a user namespace", "--device PATH hands in a device"),
		no("gpus", "", "--device PATH hands in a device"),
		no("cgroup-conf", "", "use the flag for the limit, such as --memory"),
		no("cpu-rt-period", whyV1, "", "0"),
		no("cpu-rt-runtime", whyV1, "", "0"),
		no("kernel-memory", whyV1, "--memory counts kernel memory too"),
		no("memory-swappiness", whyV1, "", "-1"),
		on("oom-kill-disable", whyV1, "--oom-score-adj makes the container a less likely victim"),
		no("rdt-class", "it needs root", ""),
		no("shm-size-systemd", "", "--tmpfs /run:size=SIZE sets the size of one of them"),
		no("storage-opt", "", ""),
		no("cpu-count", whyWindows, ""),
		no("cpu-percent", whyWindows, ""),
		no("io-maxbandwidth", whyWindows, ""),
		no("io-maxiops", whyWindows, ""),
		no("isolation", whyWindows, "", "default", ""),
	}
}

func refusedImage() []refusal {
	return []refusal{
		no("cert-dir", "", hintPull),
		no("creds", "", hintPull),
		no("decryption-key", "", hintPull),
		no("retry", "", hintPull),
		no("retry-delay", "", hintPull),
		no("signature-policy", "", hintPull),
		{
			name: "disable-content-trust", isBool: true, fine: []string{"true"},
			why: "signatures are policy.json's matter", advice: "man containers-policy.json",
		},
		no("seccomp-policy", "an image must not choose its own filter", "--security-opt seccomp=FILE", "default"),
		no("runtime", "the runtime is built in", ""),
	}
}

func refusedRest() []refusal {
	return []refusal{
		no("ip", whyBridge, ""),
		no("ip6", whyBridge, ""),
		no("mac-address", whyBridge, ""),
		no("network-alias", whyBridge, ""),
		no("link", whyBridge, ""),
		no("link-local-ip", whyBridge, ""),
		no("hosts-file", "", "--no-hosts leaves the image's file in place"),
		on("no-hostname", "", ""),
		no("volume-driver", "", "bind a directory with -v", "local", ""),
		no("hostuser", "", "--passwd-entry adds a line to the container's passwd file"),
		no("chrootdirs", "", ""),
		no("personality", "execution domains are locked: some of them switch off address space randomisation", ""),
		on("use-api-socket", "there is no API socket", ""),
	}
}
