package flags

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/internal/hint"
)

// peers returns the names of the flags that podman run and docker run know.
func peers(t *testing.T) []string {
	t.Helper()
	var names []string
	help, err := os.ReadFile("testdata/podman-4.3-run-help.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-., )?--([a-z0-9-]+)`).FindAllSubmatch(help, -1) {
		names = append(names, string(m[1]))
	}
	if len(names) < 130 {
		t.Fatalf("only %d flags found in Podman's help", len(names))
	}
	for _, file := range []string{"testdata/docker-28-run-flags.txt", "testdata/podman-5-run-flags.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				names = append(names, strings.TrimSpace(line))
			}
		}
	}
	return names
}

func TestPeersFlagsAreKnown(t *testing.T) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	Add(fs)
	for _, name := range peers(t) {
		if fs.Lookup(name) == nil {
			t.Errorf("--%s is unknown", name)
		}
	}
}

func TestPeersShorthands(t *testing.T) {
	help, err := os.ReadFile("testdata/podman-4.3-run-help.txt")
	if err != nil {
		t.Fatal(err)
	}
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	Add(fs)
	for _, m := range regexp.MustCompile(`(?m)^ +-(.), --([a-z0-9-]+)`).FindAllSubmatch(help, -1) {
		f := fs.ShorthandLookup(string(m[1]))
		if f == nil || f.Name != string(m[2]) {
			t.Errorf("-%s is not --%s", m[1], m[2])
		}
	}
}

// supported gives for each flag that is carried out a command line that differs
// from the default, after what the flag needs beside it.
func supported(t *testing.T) map[string][]string {
	t.Helper()
	list := map[string][]string{
		"env-file":   {"--env-file=" + write(t, "A=1\n")},
		"label-file": {"--label-file=" + write(t, "a=1\n")},
		"init-path":  {"--init", "--init-path=/sbin/init"},
		"replace":    {"--name=n", "--replace"},
		"memory-swap": {
			"--memory=1g", "--memory-swap=2g",
		},
		"health-startup-interval": {"--health-startup-cmd=x", "--health-startup-interval=1s"},
		"health-startup-timeout":  {"--health-startup-cmd=x", "--health-startup-timeout=1s"},
		"health-startup-retries":  {"--health-startup-cmd=x", "--health-startup-retries=1"},
		"health-startup-success":  {"--health-startup-cmd=x", "--health-startup-success=2"},
	}
	for arg := range strings.FieldsSeq(`
		--entrypoint=sh --rootfs=/r --pull=always --quiet --platform=linux/arm64 --os=linux --arch=arm64
		--variant=v8 --authfile=/a --tls-verify=false --image-volume=tmpfs
		--name=n --rm --label=a=b --annotation=a=b --cidfile=c --pidfile=p --timeout=5
		--stop-signal=INT --stop-timeout=3 --log-driver=none --log-opt=max-size=1m --restart=always --sdnotify=conmon --systemd=always --requires=a --rmi
		--user=1:2 --group-add=3 --workdir=/w --hostname=h --domainname=d --umask=077 --tz=local --init --passwd=false
		--passwd-entry=a:b:c:d:e:f:g --group-entry=a:b:c:d --oom-score-adj=5
		--env=A=1 --env-host --http-proxy --env-merge=A=b --unsetenv=A --unsetenv-all
		--detach --interactive --tty --attach=stderr --detach-keys=ctrl-a --sig-proxy=false --preserve-fds=2 --preserve-fd=7
		--volume=/s:/d --volumes-from=c --secret=s --mount=type=tmpfs,dst=/t --tmpfs=/t --read-only --read-only-tmpfs=false
		--shm-size=1m --device=/dev/null
		--userns=auto --uidmap=0:0:1 --gidmap=0:0:1 --subuidname=x --subgidname=x --pid=host --ipc=none
		--uts=host --cgroupns=host
		--network=none --publish=80:80 --publish-all --expose=80 --dns=1.1.1.1 --dns-search=x --dns-option=ndots:1
		--add-host=a:1.1.1.1 --no-hosts
		--memory=1g --memory-reservation=1g --cpus=1.5 --cpu-shares=10 --cpu-period=2000
		--cpu-quota=2000 --cpuset-cpus=0 --cpuset-mems=0 --pids-limit=9 --blkio-weight=50 --cgroup-parent=/x
		--cgroups=disabled
		--cap-add=all --cap-drop=all --security-opt=label=disable --privileged --ulimit=nofile=1 --security-report --sysctl=net.x=1
		--no-healthcheck --health-cmd=x --health-interval=1s --health-timeout=1s --health-start-period=1s --health-retries=2
		--health-start-interval=1s --health-on-failure=kill --health-startup-cmd=x --health-max-log-count=9 --health-max-log-size=9
		--health-log-destination=/
	`) {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		list[name] = []string{arg}
	}
	return list
}

// Every flag either changes the Spec or is refused. None is silently ignored.
func TestNoFlagIsIgnored(t *testing.T) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	r := Add(fs)
	refused := map[string]bool{"help": true}
	for i := range r.refused {
		refused[r.refused[i].name] = true
	}
	samples := supported(t)
	fs.VisitAll(func(f *pflag.Flag) {
		argv, ok := samples[f.Name]
		if ok == refused[f.Name] {
			t.Errorf("--%s: has a sample: %v, is refused: %v", f.Name, ok, refused[f.Name])
		}
		if !ok {
			return
		}
		got, _, err := translate(append(argv, "img")...)
		if err != nil {
			t.Errorf("%q: %v", argv, err)
			return
		}
		if without := mustTranslate(t, append(argv[:len(argv)-1:len(argv)-1], "img")...); reflect.DeepEqual(got, without) {
			t.Errorf("%q does not change the Spec", argv)
		}
	})
}

func TestRefusedFlags(t *testing.T) {
	for _, r := range refusals() {
		value := "nonsense"
		if r.isBool {
			value = map[bool]string{true: "false", false: "true"}[r.fine[0] == "true"]
		}
		_, _, err := translate("--"+r.name+"="+value, "img")
		if !errors.Is(err, ErrUnsupported) || strings.Contains(err.Error(), "\n") ||
			!strings.HasPrefix(err.Error(), "--"+r.name) {
			t.Errorf("--%s=%s: %v", r.name, value, err)
		}
		for _, fine := range r.fine {
			got, _, err := translate("--"+r.name+"="+fine, "img")
			if err != nil || !reflect.DeepEqual(got, mustTranslate(t, "img")) {
				t.Errorf("--%s=%s: %v, want no change", r.name, fine, err)
			}
		}
	}
	_, _, err := translate("--gpus=all", "img")
	if hint.Of(err) == "" {
		t.Errorf("--gpus: %v has no hint", err)
	}
}
