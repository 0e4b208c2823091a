package flags

import (
	"errors"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

func TestNoImage(t *testing.T) {
	for _, argv := range [][]string{{}, {"--rm"}, {"--rootfs"}, {""}} {
		_, _, err := translate(argv...)
		if !errors.Is(err, ErrNoImage) || hint.Of(err) == "" {
			t.Errorf("%q: %v, want ErrNoImage with a hint", argv, err)
		}
	}
}

// Each error is one line that names the flag and what is wrong.
func TestErrorsNameTheFlag(t *testing.T) {
	for argv, want := range map[string]string{
		"-v /s:/d:badopt img":                       `--volume "/s:/d:badopt": unknown option "badopt"`,
		"-v a:/proc img":                            `--volume "a:/proc": destination cannot be in /proc`,
		"-v /s:/d --tmpfs /d img":                   `mount: destination "/d" is given twice`,
		"--device /dev/a:/d --tmpfs /d img":         `device: destination "/d" is given twice`,
		"--memory 1x img":                           `--memory "1x": is not a size such as 512, 64k, 100m or 1.5g`,
		"--memory= img":                             `--memory "": is not a size such as 512, 64k, 100m or 1.5g`,
		"--memory-swap 1g img":                      `--memory-swap needs --memory`,
		"--cpus 2 --cpu-quota 5000 img":             `--cpus excludes --cpu-period and --cpu-quota: conflicting options`,
		"--pids-limit -2 img":                       `--pids-limit "-2": is not -1 or a number up to 4194304, the most that Linux takes`,
		"--passwd-entry a:b img":                    `--passwd-entry "a:b": a line of passwd has 7 fields with ':' between them`,
		"--user a:b:c img":                          `--user "a:b:c": name contains ':'`,
		"-w rel img":                                `--workdir "rel": working directory is not an absolute path`,
		"-w /proc/self/fd/7 img":                    `--workdir "/proc/self/fd/7": working directory is in a process's directory of /proc`,
		"--name -x img":                             `--name "-x": names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*`,
		"--pull sometimes img":                      `--pull "sometimes": is not one of missing, always, newer, never`,
		"--network none --network host img":         `--network given twice: more than one network is not supported by this version`,
		"--env-file /nonexistent img":               `--env-file open /nonexistent: no such file or directory`,
		"--log-driver syslog img":                   `--log-driver "syslog": is not one of k8s-file, json-file, journald, passthrough, none`,
		"--log-opt labels=x img":                    `--log-opt "labels=x": unknown log option; there are max-size, max-file, path and tag`,
		"--log-opt tag={{.X}} img":                  `--log-opt "tag={{.X}}": names what a container has not; there are .ID, .FullID, .Name, .Command, .ImageName, .ImageID`,
		"--log-opt tag={{ img":                      `--log-opt "tag={{": is no Go template`,
		"--log-opt tag=x img":                       `conflicting options: --log-opt tag is of --log-driver=journald only`,
		"--log-opt path= img":                       `--log-opt "path=": needs a file name`,
		"--log-driver none --log-opt max-size=1k i": `conflicting options: --log-opt max-size, max-file and path are of k8s-file and json-file, not of --log-driver=none`,
		"--log-driver passthrough -t i":             `conflicting options: --tty and --log-driver=passthrough`,
		"--oom-score-adj 1001 img":                  `--oom-score-adj "1001": is not a number from -1000 to 1000`,
		"--init-path /x img":                        `--init-path needs --init`,
		"--no-hosts --add-host a:1.1.1.1 i":         `conflicting options: --no-hosts and --add-host`,
		"--uts host -h x img":                       `conflicting options: --hostname and --uts=host: the name is already given`,
		"--userns auto --uidmap 0:0:1 img":          `conflicting options: --userns and explicit maps (--uidmap, --gidmap, --subuidname, --subgidname)`,
		"--no-healthcheck --health-cmd x i":         `--no-healthcheck excludes the --health flags: conflicting options`,
		"--platform linux --arch arm64 img":         `--platform excludes --os, --arch and --variant: conflicting options`,
		"--rootfs /r:idmap sh":                      `--rootfs DIR:idmap is not supported by this version`,
		"--preserve-fd 2 img":                       `--preserve-fd "2": is not a number from 3 to 1024`,
		"--cgroups split img":                       `--cgroups "split" is not supported by this version`,
		"--timeout 99999999999 img":                 `--timeout "99999999999": is not a number of seconds`,
		"--blkio-weight 5 img":                      `--blkio-weight "5": is not a number from 10 to 1000`,
		"--attach stdlog img":                       `--attach "stdlog": is not one of stdin, stdout, stderr`,
	} {
		_, _, err := translate(strings.Fields(argv)...)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", argv, err, want)
		}
	}
}

// V20: what becomes a line of a generated file cannot become two.
func TestNewlinesAreRefused(t *testing.T) {
	for _, flag := range []string{
		"hostname", "domainname", "name", "user", "group-add", "workdir", "label", "annotation", "env-file", "cidfile",
		"dns", "dns-search", "dns-option", "add-host", "expose", "publish", "passwd-entry", "group-entry",
		"security-opt", "cap-add", "ulimit", "userns", "uidmap", "tz", "cgroup-parent", "unsetenv",
		"volume", "mount", "tmpfs", "device", "network", "pid", "ipc", "sysctl",
	} {
		for _, value := range []string{"a\nb", "a=b\nroot::0:0::/:/bin/sh", "/a:/b\nc", "a:1.1.1.1\n2.2.2.2 b"} {
			if _, _, err := translate("--"+flag, value, "img"); err == nil {
				t.Errorf("--%s %q is accepted", flag, value)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("--%s %q: error has more than one line: %q", flag, value, err)
			}
		}
	}
	for _, kv := range []string{"HOME=/x\nroot", "HOME=/x:y", "USER=a\nb", "A\nB=1"} {
		if _, _, err := translate("-e", kv, "img"); err == nil {
			t.Errorf("-e %q is accepted", kv)
		}
	}
	if _, _, err := translate("img\nx"); err == nil {
		t.Error("image with a newline is accepted")
	}
}

// An error never repeats what may be a password.
func TestErrorsHideValues(t *testing.T) {
	file := write(t, "A=1\nHOME=/x:s3cret\n")
	for _, argv := range [][]string{
		{"-e", "HOME=/x:s3cret", "img"},
		{"--env-file", file, "img"},
		{"-e", "=s3cret", "img"},
		{"--creds", "me:s3cret", "img"},
	} {
		if _, _, err := translate(argv...); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", argv, err)
		}
	}
}

func TestConflictsAreMarked(t *testing.T) {
	if _, _, err := translate("--memory=2m", "--memory-swap=1m", "img"); !errors.Is(err, spec.ErrConflict) {
		t.Errorf("err = %v, want ErrConflict", err)
	}
}
