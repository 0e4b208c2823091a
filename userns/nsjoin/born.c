/*
 * Birth in a cgroup.
 *
 * Moving a process into a cgroup waits for an RCU grace period, 7 to 15 ms
 * (cgroup_attach_lock); being cloned into one costs 0.02 ms. libcontainer only
 * moves. So the first of its stages, which is this executable before Go starts,
 * clones the second straight into the cgroup whose directory it was handed: the
 * linker sends nsexec.c's clone() here (--wrap=clone, nsjoin.go).
 *
 * Should: every process that enters the container's namespaces is in its cgroup
 * from its first instruction, so nothing escapes a limit.
 * Mustn't: hand the directory on. It is a way to the host's cgroup tree, so the
 * child closes it before anything else (CVE-2024-21626 is what happens otherwise).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enter.h"

static int cgroup_fd = -1;


/*
 * The directory is the last file that engine/launch gives to the process. After
 * it come those that libcontainer adds, the terminal's socket first if there is one.
 * Before it there is always one of ours that is no directory, so a descriptor of the
 * user's (--preserve-fds) cannot be taken for it.
 */
void burrow_find_cgroup(const char *initpipe)
{
	const char *console = getenv("_LIBCONTAINER_CONSOLE");
	int fd = atoi(console ? console : initpipe) - 1;
	struct statfs fs;
	struct stat st;

	if (fd < 3 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return;
	if (fs.f_type == CGROUP2_SUPER_MAGIC && S_ISDIR(st.st_mode))
		cgroup_fd = fd;
}

/* Where clone3 does not know cgroups (before Linux 5.7): slower, as strict. */
static pid_t fork_and_move(int flags)
{
	pid_t pid = syscall(SYS_clone, (unsigned long)flags, 0, 0, 0, 0);

	if (pid != 0)
		return pid;
	int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0 || write(procs, "0", 1) != 1)
		_exit(1); /* the parent reports that its child is gone */
	close(procs);
	return 0;
}

static pid_t clone_into_cgroup(int flags)
{
	struct clone_args args = {
		.flags = (flags & ~CSIGNAL) | CLONE_INTO_CGROUP,
		/* With CLONE_PARENT the child signals what its elder sibling would. */
		.exit_signal = (flags & CLONE_PARENT) ? 0 : flags & CSIGNAL,
		.cgroup = cgroup_fd,
	};
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0 && (errno == ENOSYS || errno == E2BIG))
		return fork_and_move(flags);
	return pid;
}

extern int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	pid_t *parent_tid;
	void *tls, *child_tid;
	va_list more;

	if (cgroup_fd < 0) {
		va_start(more, arg);
		parent_tid = va_arg(more, pid_t *);
		tls = va_arg(more, void *);
		child_tid = va_arg(more, void *);
		va_end(more);
		return __real_clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
	}
	/* No memory is shared, so the child can use its copy of this stack. */
	pid_t pid = clone_into_cgroup(flags);
	if (pid > 0)
		burrow_guard(cgroup_fd, getppid());
	if (pid != 0)
		return pid;
	close(cgroup_fd);
	cgroup_fd = -1;
	_exit(fn(arg));
}
