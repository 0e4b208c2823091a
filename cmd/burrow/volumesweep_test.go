package main_test

import (
	"strings"
	"testing"
)

// TestKillSweepOfVolumes kills whoever is about to use a new volume: the next one
// gets it whole, with its own IDs, and volumes that were to go with a container go.
func TestKillSweepOfVolumes(t *testing.T) {
	asUser(t, func(_ *testing.T, sh *shell) {
		const use = `burrow run --rm %s -v /anon -v sweptvol:/etc busybox sh -c 'touch /etc/f && chown 7 /etc/f && stat -c %%u /etc/passwd /etc/f'`
		sh.run("burrow", "run", "--rm", "busybox", "true")
		command := func(flags string) string { return strings.ReplaceAll(strings.Replace(use, "%s", flags, 1), "%%", "%") }
		for _, life := range []sweptLife{
			{"first use", nil, command("--name swept"), map[role]int{roleCommand: 14}},
			{"other IDs", []string{command("")}, command("--name swept --userns=auto"), map[role]int{roleCommand: 14}},
			{"rm", []string{command("")}, "burrow volume rm sweptvol", map[role]int{roleCommand: 6}},
		} {
			for who, n := range life.roles {
				last := sh.traced(life, who, 0).count
				sh.usable(life.name, command(""), "whole")
				for _, nth := range killTimes(last, n) {
					tr := sh.traced(life, who, nth)
					sh.usable(life.name, command(""), tr.killed)
				}
			}
		}
	})
}

// usable demands that a volume is, or can be made, and leaves none.
func (sh *shell) usable(life, use, killed string) {
	sh.t.Helper()
	if r := sh.try("sh", "-c", use); r.code != 0 || r.out != "0\n7\n" {
		sh.t.Fatalf("%s, killed at %s: %d %q %s", life, killed, r.code, r.out, r.err)
	}
	waitFor(sh.t, func() bool {
		sh.try("burrow", "run", "--rm", "busybox", "true") // clears up
		r := sh.try("burrow", "volume", "ls", "-q")
		return r.code == 0 && r.out == "sweptvol\n"
	})
	sh.run("burrow", "volume", "rm", "-f", "sweptvol")
	if r := sh.try("burrow", "ids"); strings.Contains(r.out, "sweptvol") {
		sh.t.Fatalf("%s, killed at %s: IDs are kept for nobody: %s", life, killed, r.out)
	}
}
