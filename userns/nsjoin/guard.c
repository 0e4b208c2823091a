/*
 * The guard ends a container whose command was killed, where the kernel does not.
 *
 * A container in the foreground asks for SIGKILL when its command dies
 * (PR_SET_PDEATHSIG). The kernel forgets that wish when an exec changes the SELinux
 * domain (selinux_bprm_committing_creds), as starting the payload does. The guard
 * changes none: it is a copy of libcontainer's first stage, a child of the command
 * like the container, that outlives it just long enough to write cgroup.kill.
 *
 * It should hold the cgroup's two files and nothing else: an open pipe would keep
 * the command waiting. It must not die of what a terminal sends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <sched.h>
#include <unistd.h>

#include "enter.h"

static void on_death(int sig) { (void)sig; }

/* Whether a process is left; in doubt there is. */
static int populated(int events)
{
	char buf[256];
	ssize_t n = pread(events, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return n == 0 || errno != ENODEV; /* the cgroup is gone */
	buf[n] = '\0';
	return strstr(buf, "populated 0") == NULL;
}

static _Noreturn void watch(int events, int killer, pid_t command)
{
	struct sigaction act = { .sa_handler = on_death };
	sigset_t all, but_death;

	/* Death is heard only in ppoll, so it cannot come between test and wait. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	but_death = all;
	sigdelset(&but_death, SIGUSR1);
	sigaction(SIGUSR1, &act, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
	prctl(PR_SET_NAME, "burrow-guard", 0, 0, 0);
	for (;;) {
		if (getppid() != command) {
			if (write(killer, "1", 1) != 1)
				_exit(1);
			_exit(0);
		}
		if (!populated(events))
			_exit(0);
		struct pollfd change = { .fd = events, .events = POLLPRI };
		ppoll(&change, 1, NULL, &but_death);
	}
}

void burrow_guard(int cgroup, pid_t command)
{
	if (fgetxattr(cgroup, "user.burrow.guard", NULL, 0) < 0)
		return;
	int events = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int killer = openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	pid_t pid = -1;
	if (events >= 0 && killer >= 0)
		pid = syscall(SYS_clone, (unsigned long)CLONE_PARENT, 0, 0, 0, 0);
	if (pid == 0) {
		int low = dup3(events, 0, O_CLOEXEC), high = dup3(killer, 1, O_CLOEXEC);
		syscall(SYS_close_range, 2, ~0U, 0);
		watch(low, high, command);
	}
	close(events);
	close(killer);
}
