// Package vm builds and boots the virtual machine in which Burrow meets what a
// build machine seldom has: systemd as the first process, user sessions, cgroup
// v2 with delegation, auditd, SELinux, and kernels other than the host's own.
//
//	go test ./test/vm
//	├─ Recipe.Build        once per recipe, cached: recipe/build.sh makes disk,
//	│                      kernels (6.1, 6.12) and initramfs images as root
//	├─ Boot                qemu-system-x86_64 -accel tcg, disk as a snapshot: what
//	│  │                   a test writes is gone with the process
//	│  ├─ payload disk     bin/, the images' tars, the SELinux module, audit rules,
//	│  │                   watch/ (who looks at all processes from inside), testdata/
//	│  └─ Machine.Run      ssh: a real login through PAM, so a real user session,
//	│                      loginuid and SELinux context
//	└─ tests               *_test.go, each asks for what it needs
//
// The machine has a user alice (sub-IDs, lingering user manager), a user bob (no
// sub-IDs, not lingering) and root, all of whom the key of the cache lets in. It
// does not reach further than its own QEMU: the one way in is a port on 127.0.0.1.
//
// # What it is not
//
// It measures nothing: without KVM everything takes five to twenty times as long.
// It is no sandbox for the host either; what runs in it is Burrow's own code.
//
// # Needs
//
// To build the base: root, debootstrap, mke2fs, a Debian mirror, 1.5 GiB of disk.
// To boot it: qemu-system-x86_64, ssh, 1.3 GiB of memory. Prerequisites names what
// is missing, and with which command it is installed.
package vm
