package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"strings"
)

// row is a line of the table.
type row struct {
	what string
	of   func(c column) string
}

var rows = []row{
	{"started as", func(c column) string { return "`" + c.how + "`" }},
	{"version", func(c column) string {
		if strings.HasPrefix(c.name, "Burrow") {
			return "that of this document"
		}
		words := strings.Fields(strings.ReplaceAll(c.versionLine, ",", ""))
		i := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, "0123456789") })
		return words[max(i, 0)]
	}},
	{"kernel that answers system calls", func(c column) string {
		if host, _ := os.ReadFile("/proc/sys/kernel/osrelease"); strings.TrimSpace(string(host)) != c.facts["kernel"] {
			return "its own (" + c.facts["kernel"] + ")"
		}
		return "the host's"
	}},
	{"its root is, on the host", whoIsRoot},
	{"IDs that two containers have in common", shared},
	{"capabilities: effective, bounding", func(c column) string { return count(c.facts["CapEff"]) + ", " + count(c.facts["CapBnd"]) }},
	{"no_new_privs", func(c column) string { return yes(c.facts["NoNewPrivs"] == "1") }},
	{"seccomp filter", func(c column) string { return yes(c.facts["Seccomp"] == "2") }},
	{"system calls that get past the filter", func(c column) string {
		return tally(c.answers["syscalls"], func(a string) bool { return !slices.Contains([]string{"EPERM", "ENOSYS", "killed"}, a) })
	}},
	{"a user namespace can be made inside", func(c column) string { return yes(c.answers["syscalls"]["unshare-user"] == "ok") }},
	{"32-bit system calls", func(c column) string { return c.answers["abis"]["i386-getpid"] }},
	{"AF_ALG by 32-bit socketcall", func(c column) string { return c.answers["abis"]["i386-socketcall-alg"] }},
	{"socket families", func(c column) string { return tally(c.answers["sockets"], isOK) }},
	{"netlink protocols", func(c column) string { return tally(c.answers["netlinks"], isOK) }},
	{"address randomisation can be turned off", func(c column) string { return yes(c.answers["personalities"]["personality-40000"] == "ok") }},
	{"a directory of the host as descriptor 3", func(c column) string { return c.facts["leak"] }},
	{"descriptor 7 of the caller", func(c column) string { return c.facts["descriptor"] }},
	{"the caller's environment", func(c column) string { return c.facts["environment"] }},
	{"the login UID, where it was unset", func(c column) string { return c.facts["loginuid"] }},
	{"of 11 files that tell about the host, readable", func(c column) string { return c.facts["readable"] }},
	{"/proc/sys/kernel/core_pattern", func(c column) string { return c.facts["sysctl"] }},
	{"device nodes", func(c column) string { return c.facts["devices"] }},
}

func isOK(answer string) bool { return answer == "ok" }

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// count is how many capabilities a mask has.
func count(mask string) string {
	n, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return "?"
	}
	return strconv.Itoa(bits.OnesCount64(n))
}

func tally(answers map[string]string, counts func(string) bool) string {
	n := 0
	for _, a := range answers {
		if counts(a) {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(answers))
}

func whoIsRoot(c column) string {
	switch {
	case len(c.outside) == 0:
		return "nobody: the host does not see it"
	case c.outside[0].uid == os.Getuid():
		return "you"
	}
	return "a sub-ID"
}

func shared(c column) string {
	if len(c.outside) < 2 {
		return "-"
	}
	return strconv.Itoa(inCommon(c.outside[0], c.outside[1]))
}

// write puts out the table, and who is not in it.
func write(w io.Writer, columns []column) error {
	var b, missing strings.Builder
	measured := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		if c.why != "" {
			fmt.Fprintf(&missing, "- %s: %s\n", c.name, c.why)
		}
		return c.why != ""
	})
	line := func(first string, of func(column) string) {
		b.WriteString("| " + first)
		for _, c := range measured {
			b.WriteString(" | " + strings.ReplaceAll(of(c), "|", `\|`))
		}
		b.WriteString(" |\n")
	}
	line("", func(c column) string { return c.name })
	line("---", func(column) string { return "---" })
	for _, r := range rows {
		line(r.what, r.of)
	}
	if missing.Len() > 0 {
		b.WriteString("\nNot measured:\n\n" + missing.String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rewrite changes an OCI configuration: another root, another command, no terminal.
func rewrite(path, rootfs string, args []string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil {
		return err
	}
	process, ok := config["process"].(map[string]any)
	root, has := config["root"].(map[string]any)
	if !ok || !has {
		return fmt.Errorf("%s: not an OCI configuration", path)
	}
	process["args"], process["terminal"] = args, false
	root["path"] = rootfs
	if b, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
