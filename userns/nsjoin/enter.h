/* Shared by the files of this package. */
#ifndef BURROW_ENTER_H
#define BURROW_ENTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where joining the anchor went wrong. nsjoin.go has the same list. */
enum join_step {
	STEP_NONE = 0,
	STEP_OPEN_USER,
	STEP_OPEN_MNT,
	STEP_OWNER,
	STEP_ENTER_USER,
	STEP_ENTER_MNT,
	STEP_UNSHARE_MNT,
	STEP_PRIVATE,
	STEP_BECOME,
	STEP_CHDIR,
};

/* anchor.c: sleeps as the anchor. argv[1] is the fd to wait on. */
_Noreturn void burrow_anchor(int argc, char **argv);

/* gate.c: confines this process and execs the payload, as argv[1] says where. */
_Noreturn void burrow_gate(char **argv);

/* checks.c: starts health checks of the container argv[1] for whoever has the socket at fd 0. */
_Noreturn void burrow_checks(int argc, char **argv);

/* born.c: finds the cgroup that libcontainer's children are to be born in, if any. */
void burrow_find_cgroup(const char *initpipe);

/* guard.c: leaves a process behind that ends the cgroup with the command, if it is marked so. */
void burrow_guard(int cgroup, pid_t command);

/* ending.c: a signal that would end the payload ends this process with its number plus 128. */
void burrow_end_by_signals(void);

/* Reads at most len-1 bytes of a file below dirfd and ends them with NUL. */
long burrow_read_at(int dirfd, const char *name, char *buf, size_t len);

/* internal/rlimits: ends this process with one line if the Go runtime could not start. */
void burrow_check_limits(void);

#endif
