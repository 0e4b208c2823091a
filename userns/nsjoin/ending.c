/*
 * What ends libcontainer's first process in the container, before it is the gate.
 *
 * The kernel discards what the first process of a PID namespace sends itself, so the
 * Go runtime cannot end as a signal wants it, but exits with 2, or tells the
 * container's standard error what its goroutines do. Its os/signal would do, but a
 * word between two threads for each signal takes longer than all the rest of the
 * process's preparations.
 */
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "enter.h"

static void end(int sig)
{
	_exit(128 + sig); /* as shells count; exec takes the handler away */
}

/* Mustn't: touch a signal that is ignored, which it must stay for the payload. */
void burrow_end_by_signals(void)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGTERM };
	struct sigaction act = { .sa_handler = end, .sa_flags = SA_ONSTACK }; /* Go's stacks are small */

	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		struct sigaction old;
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ending[i], &act, NULL);
	}
}
