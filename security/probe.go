package security

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Probe asks the running kernel what it offers. It starts no process, loads
// nothing and costs some tens of microseconds; a layer that is off costs one
// system call.
func Probe() Host {
	h := Host{
		Arch:     runtime.GOARCH,
		Kernel:   kernelRelease(),
		Landlock: sys.LandlockABI(),
		SELinux:  probeSELinux(),
		AppArmor: probeAppArmor(),
		Hard:     make(map[string]uint64, len(limitNumbers)),
	}
	for name, number := range limitNumbers {
		var r unix.Rlimit
		if unix.Getrlimit(number, &r) == nil {
			h.Hard[name] = r.Max
		}
	}
	const first = "/sys/devices/system/cpu/cpu0/thermal_throttle"
	if _, err := os.Lstat(first); err == nil {
		h.CPUThrottle, _ = filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
	}
	return h
}

// kernelRelease is the running kernel's major.minor.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	major, minor, err := kernelVersion(unix.ByteSliceToString(u.Release[:]))
	if err != nil {
		return ""
	}
	return strconv.FormatUint(major, 10) + "." + strconv.FormatUint(minor, 10)
}

func probeSELinux() SELinuxState {
	enforce, err := readNumber("/sys/fs/selinux/enforce")
	if err != nil {
		return SELinuxState{}
	}
	return SELinuxState{Mounted: true, Enforcing: enforce == 1}
}

func probeAppArmor() AppArmorState {
	data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || strings.TrimSpace(string(data)) != "Y" {
		return AppArmorState{}
	}
	return AppArmorState{Enabled: true, Profiles: loadedProfiles("/sys/kernel/security/apparmor")}
}

// loadedProfiles reads the names of the profiles, from the list, which only root
// may read, or from the directory, whose entries are the name and a number.
func loadedProfiles(root string) []string {
	if data, err := os.ReadFile(filepath.Join(root, "profiles")); err == nil {
		names := []string{}
		for line := range strings.Lines(string(data)) {
			if i := strings.LastIndex(line, " ("); i > 0 {
				names = append(names, line[:i])
			}
		}
		return names
	}
	entries, err := os.ReadDir(filepath.Join(root, "policy", "profiles"))
	if err != nil {
		return nil
	}
	names := []string{}
	for _, e := range entries {
		name := e.Name()
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			name = name[:i]
		}
		names = append(names, name)
	}
	return names
}

// readNumber reads a file that holds one decimal number.
func readNumber(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}
