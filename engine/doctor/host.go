package doctor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// host reads the machine, below Env.Root.
type host struct {
	Env
	dnf bool // packages come by dnf, else by apt-get
}

func newHost(env Env) *host {
	h := &host{Env: env}
	h.dnf = usesDNF(h.read("/etc/os-release"))
	return h
}

func (h *host) path(p string) string { return h.Root + p }

// read returns the file without surrounding space, "" where it cannot be read.
func (h *host) read(p string) string {
	b, err := os.ReadFile(h.path(p))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (h *host) exists(p string) bool {
	_, err := os.Stat(h.path(p))
	return err == nil
}

// number returns the integer in the file, ok where there is one.
func (h *host) number(p string) (n int, ok bool) {
	n, err := strconv.Atoi(h.read(p))
	return n, err == nil
}

// status returns a field of /proc/self/status.
func (h *host) status(field string) string {
	for line := range strings.Lines(h.read("/proc/self/status")) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// systemd says whether systemd is the init of this host (sd_booted(3)).
func (h *host) systemd() bool { return h.exists("/run/systemd/system") }

// usesDNF reads os-release(5).
func usesDNF(release string) bool {
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for id := range strings.FieldsSeq(strings.Trim(value, `"'`)) {
			if id == "fedora" || id == "rhel" || id == "centos" {
				return true
			}
		}
	}
	return false
}

// install is the command that installs a package, by its Debian and its
// Fedora name.
func (h *host) install(debian, fedora string) string {
	if h.dnf {
		return "sudo dnf install " + fedora
	}
	return "sudo apt-get install " + debian
}

// bootArg is the command that adds an argument to the kernel's command line.
func (h *host) bootArg(arg string) string {
	if h.dnf {
		return "sudo grubby --update-kernel=ALL --args='" + arg + "' && sudo reboot"
	}
	return `sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&` + arg + ` /' /etc/default/grub && sudo update-grub && sudo reboot`
}

// program finds an executable in Env.Path, absolute, "" where there is none.
func (h *host) program(name string) string {
	for _, dir := range filepath.SplitList(h.Path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && unix.Access(p, unix.X_OK) == nil {
			return p
		}
	}
	return ""
}

// output runs a program for a moment, without environment, and returns its
// standard output.
func output(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = 100 * time.Millisecond
	out, err := cmd.Output()
	return string(out), err
}

// mountOf is what /proc/self/mountinfo says of one mount (proc(5)).
type mountOf struct {
	point, fstype, source string
	options, super        []string
}

// mounts parses mountinfo in order: a later mount covers an earlier one.
func mounts(text string) []mountOf {
	var out []mountOf
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 2 {
			continue
		}
		m := mountOf{point: unescape(l[4]), options: strings.Split(l[5], ","), fstype: r[0], source: unescape(r[1])}
		if len(r) > 2 {
			m.super = strings.Split(r[2], ",")
		}
		out = append(out, m)
	}
	return out
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// mountAt returns the topmost mount whose point is exactly p.
func (h *host) mountAt(p string) (found mountOf, ok bool) {
	for _, m := range mounts(h.read("/proc/self/mountinfo")) {
		if m.point == p {
			found, ok = m, true
		}
	}
	return found, ok
}
