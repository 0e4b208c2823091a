package security

import (
	"errors"
	"reflect"
	"testing"
)

func TestRlimits(t *testing.T) {
	h := Host{Hard: map[string]uint64{"nofile": 4096, "nproc": 100, "core": Unlimited, "memlock": 65536}}
	defaults := []Rlimit{{"RLIMIT_CORE", 0, 0}, {"RLIMIT_NOFILE", 4096, 4096}, {"RLIMIT_NPROC", 100, 100}}
	for name, c := range map[string]struct {
		words []string
		want  []Rlimit
	}{
		"default":    {nil, defaults},
		"host":       {[]string{"host"}, []Rlimit{}},
		"host and":   {[]string{"core=-1", "host"}, []Rlimit{{"RLIMIT_CORE", Unlimited, Unlimited}}},
		"soft":       {[]string{"nofile=10"}, []Rlimit{defaults[0], {"RLIMIT_NOFILE", 10, 10}, defaults[2]}},
		"soft, hard": {[]string{"nofile=10:20"}, []Rlimit{defaults[0], {"RLIMIT_NOFILE", 10, 20}, defaults[2]}},
		"spelling":   {[]string{"RLIMIT_NOFILE=10:20"}, []Rlimit{defaults[0], {"RLIMIT_NOFILE", 10, 20}, defaults[2]}},
		"last wins":  {[]string{"nofile=1", "nofile=2"}, []Rlimit{defaults[0], {"RLIMIT_NOFILE", 2, 2}, defaults[2]}},
		"unlimited":  {[]string{"core=0:unlimited"}, []Rlimit{{"RLIMIT_CORE", 0, Unlimited}, defaults[1], defaults[2]}},
	} {
		got, err := rlimits(c.words, h)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, c.want)
		}
	}
	for _, word := range []string{
		"", "nofile", "nofile=", "nofile=x", "nofile=1:", "nofile=2:1", "nofile=-2", "files=1", "nofile=4097",
		"nofile=unlimited", "nofile=1:2:3", "nofile=1 ", "memlock=65537", "=1",
	} {
		if _, err := rlimits([]string{word}, h); !errors.Is(err, ErrOption) {
			t.Errorf("%q: got %v, want ErrOption", word, err)
		}
	}
}

func TestSysctls(t *testing.T) {
	got, err := sysctls(Options{Sysctls: []string{
		"net.ipv4.ip_unprivileged_port_start=0", "kernel.sem=250 32000 32 128", "fs.mqueue.msg_max=20",
		"net/ipv4/conf/eth0.100/rp_filter=1", "kernel.shm_rmid_forced=1",
	}})
	want := map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "0", "kernel.sem": "250 32000 32 128", "fs.mqueue.msg_max": "20",
		"net.ipv4.conf.eth0/100.rp_filter": "1", "kernel.shm_rmid_forced": "1",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if p := SysctlPath("net.ipv4.conf.eth0/100.rp_filter"); p != "net/ipv4/conf/eth0.100/rp_filter" {
		t.Errorf("path %q", p)
	}
}

// TestSysctlsRefused is V52: nothing but settings of the container's own
// namespaces, and no way to write a second setting inside a value.
func TestSysctlsRefused(t *testing.T) {
	for _, word := range []string{
		"", "=", "kernel.sem", "kernel.sem=", "vm.swappiness=1", "kernel.core_pattern=|/x", "kernel.hostname=x",
		"kernel.domainname=x", "user.max_user_namespaces=1", "kernel.msgmax=1+kernel.core_pattern=/x",
		"kernel.msgmax=1\nkernel.core_pattern=x", "kernel.msgmax=1;2", "kernel.msgmax=1=2", "kernel.msgmax=1\x00",
		"net.//.kernel.core_pattern=1", "net..ipv4=1", ".net.ipv4=1", "net.=1", "net/../kernel/core_pattern=1",
		"net.ipv4/../../kernel=1\n", "fs.file-max=1", "fs.mqueue=1", "kernel.shmmaxx=1", "net.ipv4.x y=1", "debug.x=1",
	} {
		if got, err := sysctls(Options{Sysctls: []string{word}}); !errors.Is(err, ErrOption) {
			t.Errorf("%q: got %v, %v; want ErrOption", word, got, err)
		}
	}
	if _, err := sysctls(Options{HostNetwork: true, Sysctls: []string{"net.ipv4.ip_forward=1"}}); !errors.Is(err, ErrOption) {
		t.Errorf("host network: %v", err)
	}
	if _, err := sysctls(Options{HostIPC: true, Sysctls: []string{"kernel.sem=1"}}); !errors.Is(err, ErrOption) {
		t.Errorf("host IPC: %v", err)
	}
}
