// The worker's confinement. It runs before the Go runtime, while there is one
// thread only: what is taken here, every later thread lacks too.
//
// Should: leave this process its standard streams, the descriptors 3 to 5, and
// the directory on descriptor 3 as its root, with what it takes to make files
// of any owner there.
// Mustn't: open or read anything below that directory, parse the layer, or
// depend on the environment.
//
// Kernel: seccomp (3.5). Landlock where there is one (5.13).

#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

#define ROOT_FD 3

static int limit(int what, rlim_t max)
{
	struct rlimit r = { .rlim_cur = max, .rlim_max = max };
	return setrlimit(what, &r);
}

// Writable memory: the largest zstd window, the table of directories of the
// largest layer, the Go runtime and its threads' stacks.
static int limit_resources(void)
{
	return limit(RLIMIT_CORE, 0) || limit(RLIMIT_DATA, 1UL << 30) ? -1 : 0;
}

static int change_root(void)
{
	return fchdir(ROOT_FD) || chroot(".") || chdir("/") ? -1 : 0;
}

// What ownership and modes need. Gone with the rest is CAP_DAC_READ_SEARCH,
// which opens files by handle, and CAP_SYS_CHROOT, which leaves a root.
static int drop_capabilities(void)
{
	const uint32_t keep = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID | 1U << CAP_MKNOD;
	const uint32_t keep_high = 0;
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2], have[2];

	if (syscall(SYS_capget, &hdr, have))
		return -1;
	memset(data, 0, sizeof(data));
	// Tests run this without a user namespace of their own: keep what there is.
	data[0].permitted = data[0].effective = (keep | 1U << CAP_SETFCAP) & have[0].permitted;
	data[1].permitted = data[1].effective = keep_high;
	return (int)syscall(SYS_capset, &hdr, data);
}

// Files are then made with the mode that they are to have.
static int no_umask(void)
{
	umask(0);
	return 0;
}

static int no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// Landlock's interface, which older headers do not have in full.
#define LL_EXECUTE 1ULL
#define LL_ABI1 ((1ULL << 13) - 1)
#define LL_REFER (1ULL << 13)
#define LL_TRUNCATE (1ULL << 14)
#define LL_IOCTL_DEV (1ULL << 15)
#define LL_NET_TCP 3ULL
#define LL_SCOPE_ALL 3ULL

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

// All but executing and device control, beneath the root only; no TCP, no
// abstract sockets, no signals to others. A kernel without Landlock is no
// reason to refuse: there is no other directory in view anyway.
static int landlock(void)
{
	struct { uint64_t fs, net, scoped; } attr = { .fs = LL_ABI1 };
	struct { uint64_t access; int32_t parent; } __attribute__((packed)) rule = { .parent = ROOT_FD };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	int ruleset, ret;

	if (abi < 1)
		return 0;
	if (abi >= 2)
		attr.fs |= LL_REFER;
	if (abi >= 3)
		attr.fs |= LL_TRUNCATE;
	if (abi >= 4)
		attr.net = LL_NET_TCP;
	if (abi >= 5)
		attr.fs |= LL_IOCTL_DEV;
	if (abi >= 6)
		attr.scoped = LL_SCOPE_ALL;
	rule.access = attr.fs & ~(LL_EXECUTE | LL_IOCTL_DEV);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0);
	if (ruleset < 0)
		return -1;
	ret = (int)syscall(SYS_landlock_add_rule, ruleset, 1, &rule, 0);
	if (!ret)
		ret = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	if (ret && errno == E2BIG) // sixteen domains deep: those above hold
		ret = 0;
	close(ruleset);
	return ret;
}

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "add the architecture's audit number"
#endif

#define ALLOW(name)                                                 \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

// What the Go runtime, a pipe and a directory need. No sockets, no execve, no
// mounts, no namespaces, no other processes. All else is ENOSYS; a call by
// another architecture's convention kills.
static int seccomp(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),

		ALLOW(read), ALLOW(readv), ALLOW(pread64), ALLOW(write), ALLOW(writev), ALLOW(close), ALLOW(lseek),
		ALLOW(openat), ALLOW(openat2), ALLOW(fstat), ALLOW(newfstatat), ALLOW(statx), ALLOW(getdents64), ALLOW(readlinkat),
		ALLOW(mkdirat), ALLOW(mknodat), ALLOW(symlinkat), ALLOW(linkat), ALLOW(unlinkat),
		ALLOW(fchmod), ALLOW(fchmodat), ALLOW(fchown), ALLOW(fchownat), ALLOW(utimensat),
		ALLOW(fsetxattr), ALLOW(fgetxattr), ALLOW(fcntl), ALLOW(ftruncate),
		ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_pwait), ALLOW(eventfd2), ALLOW(pipe2), ALLOW(ppoll),

		ALLOW(mmap), ALLOW(munmap), ALLOW(mprotect), ALLOW(mremap), ALLOW(madvise), ALLOW(brk), ALLOW(mincore),

		ALLOW(clone), ALLOW(clone3), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(futex), ALLOW(set_tid_address),
		ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(sigaltstack), ALLOW(tgkill),
		ALLOW(gettid), ALLOW(getpid), ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(membarrier),
		ALLOW(nanosleep), ALLOW(clock_nanosleep), ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(restart_syscall),
		ALLOW(getrandom), ALLOW(prlimit64), ALLOW(exit), ALLOW(exit_group), ALLOW(uname),
		ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid),
#if defined(__x86_64__)
		ALLOW(epoll_wait), ALLOW(poll), ALLOW(arch_prctl), ALLOW(open), ALLOW(readlink),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_fprog prog = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

void burrow_unpack_confine(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} steps[] = {
		{ "limit resources", limit_resources },
		{ "change root", change_root },             // while CAP_SYS_CHROOT is there
		{ "drop capabilities", drop_capabilities }, // while capset is allowed
		{ "drop the umask", no_umask },
		{ "no new privileges", no_new_privileges }, // the next two need it
		{ "Landlock", landlock },
		{ "seccomp", seccomp }, // last: it denies what stands above
	};

	if (argc < 1 || strcmp(argv[0], BURROW_UNPACK_NAME) != 0)
		return;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].run()) {
			dprintf(2, "confine unpacker: %s: %s\n", steps[i].name, strerror(errno));
			_exit(125);
		}
	}
}
