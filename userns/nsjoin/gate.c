/*
 * The gate: the last thing that runs before the payload. libcontainer has
 * built the container and dropped to the payload's credentials; what it cannot
 * do, or does more slowly, happens here, in one thread, without a Go runtime.
 *
 *   argv: /proc/self/exe gate:P:S
 *   P: fd of the program: struct gate_program, then the rules, the label, the
 *      filter, and the payload's argv and environ, each string with its NUL
 *   S: fd of a socket on which we say that we have been reached, and then a
 *      failure; it is closed by a successful execve
 *
 * Should: confine this process as the program says, then execve with all
 * signals as a new process expects them: a shell's background job has SIGINT
 * ignored and nohup SIGHUP, which a shell in the container could not undo.
 * Mustn't: open anything by name but "/" and /proc/thread-self/attr, print, or
 * go on after a step that failed. The executable is the sealed copy that
 * libcontainer made, so nothing in the container can change it
 * (CVE-2019-5736). Both fds are gone before the payload runs (CVE-2024-21626).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <limits.h>

#include "enter.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define GATE_MAGIC 0x65746762u /* "bgte" */
#define LANDLOCK_PATH_BENEATH 1
#define GATE_DIE_WITH_PARENT 1u
#define GATE_LISTEN_PID 2u

/*
 * engine/launch/gate.go writes the same layout, in native byte order. The
 * assertions below and a test there hold both to the same numbers.
 */
struct gate_program {
	uint32_t magic;
	uint32_t landlock_size; /* of struct landlock_ruleset_attr, 0: no Landlock */
	uint64_t landlock_fs;
	uint64_t landlock_net;
	uint64_t landlock_scoped;
	uint64_t raised;  /* capabilities that are to go from the ambient and inheritable sets */
	uint64_t unbound; /* and those that are to go from all sets */
	uint32_t rule_count; /* struct gate_rule that follow the header */
	uint32_t label_len;	/* bytes of SELinux exec label after that, with NUL */
	uint32_t seccomp_len;	/* bytes of struct sock_filter after that */
	uint32_t seccomp_flags;
	uint32_t flags;	      /* GATE_* */
	uint32_t argc, envc;  /* strings that follow the filter */
	uint32_t strings_len; /* bytes of them */
	uint32_t init_args;   /* how many of argv start an init; what follows must be runnable */
	uint32_t padding;
};

struct gate_rule {
	uint64_t access;
	int32_t fd;	   /* a descriptor, or -1 for "/" */
	uint32_t optional; /* not an error if fd is closed, a pipe or a socket */
};

_Static_assert(sizeof(struct gate_program) == 88 && offsetof(struct gate_program, landlock_fs) == 8 &&
		       offsetof(struct gate_program, landlock_scoped) == 24 &&
		       offsetof(struct gate_program, raised) == 32 &&
		       offsetof(struct gate_program, rule_count) == 48 && offsetof(struct gate_program, flags) == 64 &&
		       offsetof(struct gate_program, argc) == 68 && offsetof(struct gate_program, init_args) == 80,
	       "gateProgram of gate.go");
_Static_assert(sizeof(struct gate_rule) == 16 && offsetof(struct gate_rule, fd) == 8 &&
		       offsetof(struct gate_rule, optional) == 12,
	       "gateRule of gate.go");

struct gate_landlock_attr {
	uint64_t fs, net, scoped;
};

struct gate_path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

/* engine/launch/gate.go has the same list. */
enum gate_step {
	GATE_STARTED, /* no failure: the gate has been reached */
	GATE_PROGRAM,
	GATE_GUARD,
	GATE_LABEL,
	GATE_LANDLOCK,
	GATE_SECCOMP,
	GATE_EXEC,
	GATE_ARMED, /* no failure: we die with the parent, and wait for a byte of it */
};

static int status_fd = -1;

static int tell(enum gate_step step, int err)
{
	int32_t msg[2] = { step, err };

	return write(status_fd, msg, sizeof(msg)) == (ssize_t)sizeof(msg);
}

static _Noreturn void report(enum gate_step step, int err)
{
	_exit(tell(step, err) && step == GATE_EXEC && err == ENOENT ? 127 : 126);
}

static const unsigned char *map_program(int fd, struct gate_program *prog)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		report(GATE_PROGRAM, errno);
	if ((size_t)st.st_size < sizeof(*prog))
		report(GATE_PROGRAM, EINVAL);
	const unsigned char *base = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		report(GATE_PROGRAM, errno);
	memcpy(prog, base, sizeof(*prog));
	if (prog->magic != GATE_MAGIC ||
	    (uint64_t)st.st_size != sizeof(*prog) + (uint64_t)prog->rule_count * sizeof(struct gate_rule) +
				    prog->label_len + prog->seccomp_len + prog->strings_len ||
	    prog->seccomp_len % sizeof(struct sock_filter) != 0)
		report(GATE_PROGRAM, EINVAL);
	/* Copies of it stand for descriptors that the payload is not to have. */
	for (int copy = fd; copy > 2; copy--) {
		struct stat other;
		if (fstat(copy, &other) == 0 && other.st_ino == st.st_ino && other.st_dev == st.st_dev)
			close(copy);
	}
	return base + sizeof(*prog);
}

/*
 * Gives up the capabilities that have kept others from tracing us until we were
 * undumpable (engine/launch/untraced.go). What the payload may have is decided by its
 * bounding set if it is root, else by the ambient one, which is empty then; so the
 * permitted set matters to nobody but us. Must precede seccomp.
 */
static void drop_guard(const struct gate_program *p)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	if (p->raised == 0)
		return;
	for (int cap = 0; cap < 64; cap++)
		if ((p->unbound >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			report(GATE_GUARD, errno);
	if (syscall(SYS_capget, &head, sets) < 0)
		report(GATE_GUARD, errno);
	for (int half = 0; half < 2; half++) {
		uint32_t raised = p->raised >> 32 * half, unbound = p->unbound >> 32 * half;
		sets[half].inheritable &= ~raised; /* the ambient set follows (capabilities(7)) */
		sets[half].permitted &= ~unbound;
		sets[half].effective &= ~unbound;
	}
	if (syscall(SYS_capset, &head, sets) < 0)
		report(GATE_GUARD, errno);
	for (int cap = 0; cap < 64; cap++)
		if ((p->raised >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 0)
			report(GATE_GUARD, EPERM);
}

/* Must precede Landlock and seccomp, which may forbid the write. */
static void set_exec_label(const char *label, uint32_t len)
{
	if (len == 0)
		return;
	int fd = open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		report(GATE_LABEL, errno);
	if (write(fd, label, len) != (ssize_t)len)
		report(GATE_LABEL, errno);
	close(fd);
}

static void add_rule(int ruleset, const struct gate_rule *r)
{
	struct gate_path_beneath beneath = { r->access, r->fd };

	struct stat st;

	/* A directory would be a way out: only what a stream is rightly. */
	if (r->fd >= 0 && (fstat(r->fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))))
		return;
	if (r->fd < 0)
		beneath.parent = open("/", O_PATH | O_CLOEXEC);
	if (beneath.parent < 0)
		report(GATE_LANDLOCK, errno);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &beneath, 0) < 0 &&
	    !(r->optional && (errno == EBADF || errno == EBADFD || errno == EINVAL)))
		report(GATE_LANDLOCK, errno);
	if (r->fd < 0)
		close(beneath.parent);
}

/*
 * Allowed is what lies beneath "/", the container's root with all its mounts,
 * and the files that stdin, stdout and stderr are. What that takes away lies
 * elsewhere: directories of leaked fds, detached mounts, and (scoped) abstract
 * sockets and signals.
 */
static void enter_landlock(const struct gate_program *p, const struct gate_rule *rules)
{
	struct gate_landlock_attr attr = { p->landlock_fs, p->landlock_net, p->landlock_scoped };

	if (p->landlock_size == 0)
		return;
	if (p->landlock_size > sizeof(attr))
		report(GATE_LANDLOCK, EINVAL);
	int ruleset = syscall(SYS_landlock_create_ruleset, &attr, (size_t)p->landlock_size, 0);
	if (ruleset < 0)
		report(GATE_LANDLOCK, errno);
	for (uint32_t i = 0; i < p->rule_count; i++)
		add_rule(ruleset, &rules[i]);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		report(GATE_LANDLOCK, errno);
	close(ruleset);
}

/*
 * fork clears the signal and a change of credentials does too, so it is asked
 * for here, after both. A parent that died before does not send it, and that it
 * still had the socket open would not say that it lived: a process gives its
 * children away before the last of its threads has closed its files. So it has to
 * answer; then it will die later.
 */
static void die_with_parent(const struct gate_program *p)
{
	char alive;

	if (!(p->flags & GATE_DIE_WITH_PARENT))
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		report(GATE_PROGRAM, errno);
	if (!tell(GATE_ARMED, 0) || read(status_fd, &alive, 1) != 1)
		_exit(126);
}

/*
 * Ignored and blocked signals outlive execve. SIGKILL and SIGSTOP are refused, and need
 * not be asked for. The library would not touch the two that it keeps for itself.
 */
static void default_signals(void)
{
	struct { /* struct kernel_sigaction of rt_sigaction(2) */
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} as_new = { .handler = SIG_DFL };
	uint64_t none = 0;

	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, &as_new, NULL, sizeof(as_new.mask));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* Last: the filter denies calls that the steps above make. */
static void load_seccomp(const struct gate_program *p, const unsigned char *filter)
{
	if (p->seccomp_len == 0)
		return;
	struct sock_fprog fprog = {
		.len = p->seccomp_len / sizeof(struct sock_filter),
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->seccomp_flags, &fprog) < 0)
		report(GATE_SECCOMP, errno);
}

/* Says whether execve would find a program here, without running it. */
static void try_program(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0 || faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0)
		return;
	errno = S_ISREG(st.st_mode) ? 0 : EACCES;
}

/*
 * As execvpe(3), but an error on the way is remembered in the order shells do:
 * a file that may not be run is 126 even if later directories have none. With
 * only_look nothing is executed and 0 means that it could be.
 */
static int exec_search(char **argv, char **envp, int only_look)
{
	const char *file = argv[0], *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char full[PATH_MAX];
	int denied = 0;

	if (file[0] == '\0')
		return ENOENT;
	if (strchr(file, '/')) {
		only_look ? try_program(file) : (void)execve(file, argv, envp);
		return errno;
	}
	for (char **e = envp; *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			path = *e + 5;
	for (const char *end;; path = end + 1) {
		end = strchrnul(path, ':');
		int n = snprintf(full, sizeof(full), "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", file);
		if (n > 0 && (size_t)n < sizeof(full)) {
			only_look ? try_program(full) : (void)execve(full, argv, envp);
			if (errno == EACCES)
				denied = 1;
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		if (*end == '\0')
			break;
	}
	return denied ? EACCES : ENOENT;
}

/* The strings' bytes are the user's: they need not be text. */
static char **string_list(uint32_t count, const char **at, const char *end)
{
	char **list = calloc((size_t)count + 1, sizeof(*list));

	if (!list)
		report(GATE_PROGRAM, ENOMEM);
	for (uint32_t i = 0; i < count; i++) {
		const char *nul = memchr(*at, '\0', end - *at);
		if (!nul)
			report(GATE_PROGRAM, EINVAL);
		list[i] = (char *)(uintptr_t)*at;
		*at = nul + 1;
	}
	return list;
}

/* sd_listen_fds(3): only now it is known what the payload's pid is to itself. */
static void set_listen_pid(const struct gate_program *p, char **env)
{
	static char entry[32];

	if (!(p->flags & GATE_LISTEN_PID))
		return;
	snprintf(entry, sizeof(entry), "LISTEN_PID=%d", getpid());
	for (; *env; env++)
		if (strncmp(*env, "LISTEN_PID=", 11) == 0)
			*env = entry;
}

_Noreturn void burrow_gate(char **argv)
{
	struct gate_program prog;
	int program_fd = -1;

	if (sscanf(argv[1], "gate:%d:%d", &program_fd, &status_fd) != 2)
		_exit(126);
	/* Nothing in the container may ptrace us or reopen our fds. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (fcntl(status_fd, F_SETFD, FD_CLOEXEC) < 0 || !tell(GATE_STARTED, 0))
		_exit(126); /* nobody waits for us any more */
	const unsigned char *rest = map_program(program_fd, &prog);
	die_with_parent(&prog);
	const struct gate_rule *rules = (const void *)rest;
	rest += prog.rule_count * sizeof(*rules);
	const char *strings = (const char *)rest + prog.label_len + prog.seccomp_len;
	const char *end = strings + prog.strings_len;
	char **payload = string_list(prog.argc, &strings, end);
	char **env = string_list(prog.envc, &strings, end);
	if (prog.argc == 0 || prog.init_args >= prog.argc)
		report(GATE_PROGRAM, EINVAL);
	set_listen_pid(&prog, env);
	default_signals();
	drop_guard(&prog);
	set_exec_label((const char *)rest, prog.label_len);
	enter_landlock(&prog, rules);
	load_seccomp(&prog, rest + prog.label_len);
	if (prog.init_args > 0) {
		int err = exec_search(payload + prog.init_args, env, 1);
		if (err)
			report(GATE_EXEC, err);
	}
	report(GATE_EXEC, exec_search(payload, env, 0));
}
