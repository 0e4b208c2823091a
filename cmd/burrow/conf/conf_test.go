package conf_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/cmd/burrow/conf"
	"github.com/burrow-run/burrow/cmd/burrow/flags"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// apply is what a command line makes of one file.
func apply(t *testing.T, text string, args ...string) (*pflag.FlagSet, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "containers.conf"), text)
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags.Add(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	d, err := conf.Read(conf.Where{System: dir, Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		return fs, err
	}
	return fs, d.Apply(fs)
}

// TestEveryKey: each key that is honoured names a flag that there is and takes it.
func TestEveryKey(t *testing.T) {
	for text, want := range map[string]string{
		`annotations = ["a=b"]`: "annotation [a=b]", `apparmor_profile = "p"`: "security-opt [apparmor=p]", `cgroupns = "private"`: "cgroupns private",
		`cgroups = "disabled"`: "cgroups disabled", `default_sysctls = ["net.x=1"]`: "sysctl [net.x=1]", `default_ulimits = ["nofile=1:2"]`: "ulimit [nofile=1:2]",
		`devices = ["/dev/fuse"]`: "device [/dev/fuse]", `dns_options = ["a"]`: "dns-option [a]", `dns_searches = ["a"]`: "dns-search [a]", `dns_servers = ["1.1.1.1", "2.2.2.2"]`: "dns [1.1.1.1,2.2.2.2]",
		`env = ["A=B", "C=D,E"]`: `env [A=B,"C=D,E"]`, `env_host = true`: "env-host true", `http_proxy = true`: "http-proxy true", `init = true`: "init true", `init_path = "/i"`: "init-path /i",
		`ipcns = "none"`: "ipc none", `log_driver = "none"`: "log-driver none", `log_size_max = 1000`: "log-opt [max-size=1000]", `log_tag = "x"`: "log-opt [tag=x]",
		`mounts = ["type=tmpfs,dst=/x"]`: `mount ["type=tmpfs,dst=/x"]`, `netns = "none"`: "network none", `no_hosts = true`: "no-hosts true", `oom_score_adj = 5`: "oom-score-adj 5",
		`pidns = "private"`: "pid private", `pids_limit = 7`: "pids-limit 7", `read_only = true`: "read-only true", `seccomp_profile = "/p"`: "security-opt [seccomp=/p]", `shm_size = "1m"`: "shm-size 1m",
		`tz = "local"`: "tz local", `umask = "0077"`: "umask 0077", `userns = "auto"`: "userns auto", `utsns = "private"`: "uts private", `volumes = ["/a:/b"]`: "volume [/a:/b]",
		`default_capabilities = ["chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setfcap", "CAP_SETGID", "setpcap", "setuid"]`: "cap-drop CAP_SYS_CHROOT",
	} {
		fs, err := apply(t, "[containers]\n"+text)
		name, value, _ := strings.Cut(want, " ")
		if f := fs.Lookup(name); err != nil || f == nil || strings.Trim(f.Value.String(), "[]") != strings.Trim(value, "[]") {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
}

func TestCommandLineIsLast(t *testing.T) {
	for _, c := range []struct{ text, flag, arg, want string }{
		{`umask = "0077"`, "umask", "--umask=0022", "0022"},
		{`dns_servers = ["1.1.1.1"]`, "dns", "--dns=9.9.9.9", "9.9.9.9"},
		{`env = ["A=1", "B=2"]`, "env", "--env=A=3", "B=2,A=3"},
		{`default_ulimits = ["nofile=1", "core=2"]`, "ulimit", "--ulimit=core=9", "nofile=1,core=9"},
		{`volumes = ["/a:/a"]`, "volume", "--volume=/b:/b", "/a:/a,/b:/b"},
		{`log_size_max = 5`, "log-opt", "--log-opt=max-size=9", "max-size=9"},
		{`log_size_max = 5`, "log-opt", "--log-opt=tag=x", "max-size=5,tag=x"},
		{`seccomp_profile = "/p"`, "security-opt", "--security-opt=seccomp=unconfined", "seccomp=unconfined"},
		{`default_capabilities = []`, "cap-drop", "--privileged", ""},
		{`default_capabilities = []`, "cap-drop", "--cap-add=all", ""},
		{`default_capabilities = ["CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","NET_BIND_SERVICE","SETFCAP"]`, "cap-drop", "--cap-add=cap_setuid", "CAP_SETGID,CAP_SETPCAP,CAP_SYS_CHROOT"},
	} {
		fs, err := apply(t, "[containers]\n"+c.text, c.arg)
		if got := strings.Trim(fs.Lookup(c.flag).Value.String(), "[]"); err != nil || got != c.want {
			t.Errorf("%s with %s: %q, want %q, %v", c.text, c.arg, got, c.want, err)
		}
	}
}

func TestRefusedKeys(t *testing.T) {
	for text, want := range map[string]string{
		"[containers]\nlabel = false": "label", "[containers]\nkeyring = false": "keyring", "[containers]\nbase_hosts_file = \"/x\"": "base_hosts_file",
		"[containers]\npidns = \"host\"": "pidns", "[containers]\nnetns = \"host\"": "netns", "[containers]\napparmor_profile = \"unconfined\"": "apparmor_profile",
		"[containers]\ndefault_capabilities = [\"NET_RAW\"]": "NET_RAW", "[containers]\nenv = {A = 1}": "env", "[containers]\numask = 1.5": "umask",
		"[engine]\nenv = [\"A=B\"]": "[engine] env", "[engine]\nimage_default_transport = \"oci:\"": "image_default_transport",
		"[network]\npasta_options = [\"-T\"]": "pasta_options", "containers = 1": "no section", "[containers]\nx": "line 2",
	} {
		if _, err := apply(t, text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "containers.conf") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOrderOfFiles(t *testing.T) {
	system, user := t.TempDir(), t.TempDir()
	write(t, system+"/containers.conf", "[containers]\nenv = [\"A=1\"]\ntz = \"a\"\numask = \"0001\"")
	write(t, system+"/containers.conf.d/b.conf", "[containers]\ntz = \"b\"")
	write(t, system+"/containers.conf.d/a.conf", "[containers]\ntz = \"no\"")
	write(t, system+"/containers.conf.d/ignored", "[containers]\ntz = \"no\"")
	write(t, user+"/containers.conf", "[containers]\nenv = [\"B=2\", {append=true}]")
	write(t, user+"/last", "[network]\ndefault_rootless_network_cmd = \"pasta\"")
	env := map[string]string{"CONTAINERS_CONF_OVERRIDE": user + "/last"}
	values := func() (out []string) {
		d, err := conf.Read(conf.Where{System: system, User: user, Env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range d {
			out = append(out, one.Flag+" "+strings.Join(one.Values, " "))
		}
		slices.Sort(out)
		return out
	}
	if got := values(); !slices.Equal(got, []string{"env A=1 B=2", "network pasta", "tz b", "umask 0001"}) {
		t.Errorf("%q", got)
	}
	env["BURROW_NETWORK"] = "none"
	env["CONTAINERS_CONF"] = user + "/containers.conf"
	if got := values(); !slices.Equal(got, []string{"env B=2"}) {
		t.Errorf("%q", got)
	}
}
