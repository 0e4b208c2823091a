/*
 * The anchor: one tiny process per user whose only job is to exist, so that
 * its user and mount namespaces do.
 *
 * It should hold no memory, no file and no privilege: it never starts Go, it
 * closes everything, and it lost its capabilities at execve because no ID was
 * mapped then (capabilities(7)). It must not exit by accident: signals that a
 * terminal sends are ignored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enter.h"

_Noreturn void burrow_anchor(int argc, char **argv)
{
	char go;
	ssize_t n;
	int fd = argc >= 2 ? atoi(argv[1]) : -1;

	prctl(PR_SET_NAME, "burrow-anchor", 0, 0, 0);
	/* The maps are written while we wait; without them nobody can use us. */
	do
		n = read(fd, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1); /* the parent gave up or died */

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") < 0)
		_exit(1);
	syscall(SYS_close_range, 0, ~0U, 0);
	for (;;)
		pause();
}
