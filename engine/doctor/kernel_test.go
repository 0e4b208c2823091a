package doctor_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/internal/probe"
)

// What the kernel answers cannot be arranged here, so the probes are forced;
// that the answers are these is what package probe and the machine test.
func TestWhyThereIsNoUserNamespace(t *testing.T) {
	denied := fmt.Errorf("%w: %w", probe.ErrCapsDenied, syscall.EPERM)
	for _, tt := range []struct {
		name        string
		err         error
		files       map[string]string
		detail, fix string
	}{
		{
			"limit", syscall.ENOSPC,
			map[string]string{"/proc/sys/user/max_user_namespaces": "0"},
			"user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=65536",
		},
		{
			"all in use", syscall.ENOSPC,
			map[string]string{"/proc/sys/user/max_user_namespaces": "50000"},
			"all 50000 user namespaces are in use", "sudo sysctl -w user.max_user_namespaces=100000",
		},
		{
			"Debian's switch", syscall.EPERM,
			map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0"},
			"kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1",
		},
		{
			"AppArmor, without our profile", denied,
			map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
			"apparmor_restrict_unprivileged_userns is 1", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			"AppArmor, our profile not loaded", denied,
			map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1", "/etc/apparmor.d/burrow": ""},
			"apparmor_restrict_unprivileged_userns is 1", "sudo apparmor_parser -r /etc/apparmor.d/burrow",
		},
		{"another module", denied, nil, "a security module denies them", "dmesg"},
		{"nested", syscall.EUSERS, nil, "32 deep", "further outside"},
		{"not built in", syscall.EINVAL, nil, "CONFIG_USER_NS", "own kernel"},
		{
			"seccomp", syscall.EPERM,
			map[string]string{"/proc/self/status": "Name:\tx\nSeccomp:\t2\n"},
			"a seccomp filter around this process", "seccomp=unconfined",
		},
		{"chroot", syscall.EPERM, nil, "in a chroot", "outside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer probe.UserNamespace.Force(tt.err)()
			found := doctor.Check(t.Context(), doctor.Env{User: "u", UID: 1000, Root: root(t, tt.files)})
			f := find(t, found, "user namespaces")
			if f.Status != doctor.Fail || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("got %+v", f)
			}
			if doctor.CanRun(found) {
				t.Error("containers can run without user namespaces")
			}
		})
	}
}

func TestMissingFeatures(t *testing.T) {
	for _, tt := range []struct {
		feature *probe.Feature
		finding string
		status  doctor.Status
	}{
		{probe.Openat2, "kernel", doctor.Fail},
		{probe.Pidfd, "kernel", doctor.Fail},
		{probe.MountAPI, "kernel", doctor.Fail},
		{probe.CloneIntoCgroup, "kernel", doctor.Warn},
		{probe.SeccompFilter, "seccomp", doctor.Fail},
		{probe.Landlock, "Landlock", doctor.Warn},
		{probe.Namespaces, "namespaces", doctor.Fail},
		{probe.ProcMount, "namespaces", doctor.Fail},
	} {
		func() {
			defer probe.UserNamespace.Force(nil)()
			defer probe.Namespaces.Force(nil)()
			defer probe.ProcMount.Force(nil)()
			defer tt.feature.Force(syscall.ENOSYS)()
			f := find(t, doctor.Check(t.Context(), doctor.Env{User: "u", UID: 1000}), tt.finding)
			if f.Status != tt.status || f.Cost == "" || f.Fix == "" {
				t.Errorf("%s: got %+v", tt.feature.Name, f)
			}
		}()
	}
}

func TestLandlockLeftOut(t *testing.T) {
	defer probe.Landlock.Force(syscall.EOPNOTSUPP)()
	env := doctor.Env{Root: root(t, map[string]string{"/sys/kernel/security/lsm": "lockdown,capability,apparmor"}), UID: 1000}
	f := find(t, doctor.Check(t.Context(), env), "Landlock")
	if f.Status != doctor.Warn || !strings.Contains(f.Fix, "lsm=landlock,lockdown,capability,apparmor") {
		t.Errorf("got %+v", f)
	}
}
