/*
 * The starter of health checks: whoever waits for a container starts it before he gives
 * up the right to execute anything, and asks it for each check.
 *
 *   fd 0: a socket of SOCK_SEQPACKET
 *     ◄── one byte, with two descriptors: stdin and stdout of a check
 *     ──► struct checks_answer: 0 with a pidfd of the check, or an errno without
 *   argv[1]: the container's ID; what is executed is this executable, which
 *     the environment tells that it is a check
 *
 * Should: start checks of its one container, and end when the socket does.
 * Mustn't: read what the container says, take anything from the asker but the two
 * descriptors, or wait: a check is over when its pidfd says so. Whoever has taken over the
 * asker can have the container run what a check can, which is no more than the container can.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "enter.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

extern char **environ;

/* cmd/burrow/starter.go reads the same. */
struct checks_answer {
	int32_t err;
};

/* Room for two descriptors; a third would be an error. */
union checks_control {
	char buf[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

/* Returns 1 with two descriptors, 0 at the end, -1 for a message that is none. */
static int receive(int fds[2])
{
	char byte;
	struct iovec data = { &byte, 1 };
	union checks_control control;
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	do
		n = recvmsg(0, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(2 * sizeof(int)) ||
	    (msg.msg_flags & MSG_CTRUNC)) {
		syscall(SYS_close_range, 3, ~0U, 0);
		return -1;
	}
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 1;
}

static int answer(int err, int pidfd)
{
	struct checks_answer said = { err };
	struct iovec data = { &said, sizeof(said) };
	union checks_control control = { { 0 } };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };

	if (pidfd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pidfd, sizeof(int));
	}
	return sendmsg(0, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(said);
}

static _Noreturn void become_check(const int fds[2], char *id)
{
	char *argv[] = { "burrow", id, NULL };

	signal(SIGCHLD, SIG_DFL); /* what is ignored stays so, and it will wait for its own */
	setsid();
	if (dup2(fds[0], 0) < 0 || dup2(fds[1], 1) < 0)
		_exit(125);
	syscall(SYS_close_range, 3, ~0U, 0);
	execve("/proc/self/exe", argv, environ);
	_exit(125);
}

_Noreturn void burrow_checks(int argc, char **argv)
{
	int fds[2], what;

	if (argc != 2)
		_exit(125);
	prctl(PR_SET_NAME, "burrow-checks", 0, 0, 0);
	/* As the asker, who does so for himself a moment later (internal/sys/harden.go). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(SIGCHLD, SIG_IGN); /* nobody waits for checks: they leave nothing behind */
	syscall(SYS_close_range, 3, ~0U, 0);
	while ((what = receive(fds)) != 0) {
		pid_t pid = -1;
		int pidfd = -1, err = EINVAL;

		if (what > 0) {
			/* The pidfd comes with the process: its number may be another's soon (Linux 5.2). */
			pid = syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), 0, &pidfd, 0, 0);
			if (pid == 0)
				become_check(fds, argv[1]);
			err = pid < 0 ? errno : 0;
			close(fds[0]);
			close(fds[1]);
		}
		if (!answer(err, pidfd))
			break;
		if (pidfd >= 0)
			close(pidfd);
	}
	_exit(0);
}
