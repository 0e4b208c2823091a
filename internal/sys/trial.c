// A child that tries what a container needs and tells how far it came.
//
// Go cannot do this: a threaded process cannot unshare its user namespace, and
// a child of Go must execute something before it may run Go code. After fork
// this file uses only system calls and stack memory: another thread of the
// parent may have held any lock of the C library.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trial.h"

static void tell(int fd, int step, int err)
{
	struct trial_result r = { step, err };

	if (write(fd, &r, sizeof r) != sizeof r)
		_exit(2);
	_exit(0);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int saved;

	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}

// digits writes n in decimal and returns the end: snprintf may allocate.
static char *digits(char *p, unsigned n)
{
	char tmp[12];
	int i = 0;

	do {
		tmp[i++] = '0' + n % 10;
		n /= 10;
	} while (n);
	while (i)
		*p++ = tmp[--i];
	return p;
}

static int map_self(const char *path, unsigned id)
{
	char line[32] = "0 ";
	char *end = digits(line + 2, id);

	strcpy(end, " 1\n");
	return put(path, line);
}

// Setgroups must be denied before an unprivileged process may map its group
// (user_namespaces(7)); kernels before 3.19 have no such file.
static int map_ids(const struct trial *t)
{
	if (map_self("/proc/self/uid_map", t->uid))
		return -1;
	if (put("/proc/self/setgroups", "deny\n") && errno != ENOENT)
		return -1;
	return map_self("/proc/self/gid_map", t->gid);
}

static void try_overlay(const struct trial *t, int out)
{
	int fd, dir;

	if (mount("overlay", t->merged, "overlay", 0, t->overlay))
		tell(out, TRIAL_OVERLAY, errno);
	dir = open(t->merged, O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		tell(out, TRIAL_CREATE, errno);
	fd = openat(dir, "new", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		tell(out, TRIAL_CREATE, errno);
	close(fd);
	if (unlinkat(dir, "old", 0))
		tell(out, TRIAL_WHITEOUT, errno);
	close(dir);
}

// A pid namespace holds the children of whoever made it, so proc needs one
// more process.
static void try_proc(int out)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		tell(out, TRIAL_PROC, errno);
	pid = fork();
	if (pid < 0)
		tell(out, TRIAL_PROC, errno);
	if (pid == 0) {
		if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
			tell(out, TRIAL_PROC, errno);
		tell(out, TRIAL_DONE, 0);
	}
	waitpid(pid, &status, 0);
	_exit(0);
}

static void child(const struct trial *t, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(t->flags))
		tell(out, TRIAL_UNSHARE, errno);
	if (map_ids(t))
		tell(out, TRIAL_MAP, errno);
	// Where AppArmor restricts user namespaces this fails although all
	// before went well.
	if (chroot("/"))
		tell(out, TRIAL_CAPS, errno);
	if (t->flags & CLONE_NEWNS) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			tell(out, TRIAL_PRIVATE, errno);
	}
	if (t->overlay)
		try_overlay(t, out);
	if (t->proc)
		try_proc(out);
	tell(out, TRIAL_DONE, 0);
}

// answer waits for the child's result; no result means that it hung or died.
static struct trial_result answer(int in, int timeout_ms)
{
	struct trial_result r = { TRIAL_TIMEOUT, ETIMEDOUT };
	struct pollfd p = { .fd = in, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && read(in, &r, sizeof r) != sizeof r) {
		r.step = TRIAL_FORK;
		r.err = ECHILD;
	}
	return r;
}

struct trial_result burrow_trial(const struct trial *t)
{
	struct trial_result r = { TRIAL_FORK, 0 };
	sigset_t all, old;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC)) {
		r.err = errno;
		return r;
	}
	// No handler of the Go runtime may run in the child.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(t, ends[1]);
	}
	r.err = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(ends[1]);
	if (pid > 0) {
		r = answer(ends[0], t->timeout_ms);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	return r;
}
